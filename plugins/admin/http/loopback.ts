import { BlockList, isIP } from 'node:net'

/** 127.0.0.0/8 and ::1 (RFC 1122, RFC 4291); IPv4 addresses that are written as IPv6 ones count as what they are. */
const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether only this machine reaches that host: an address, with or without brackets, or `localhost`. */
export function isLoopback(host: string): boolean {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  const family = isIP(bare)
  if (family === 0) return bare.toLowerCase() === 'localhost'
  return loopback.check(bare, family === 4 ? 'ipv4' : 'ipv6')
}
