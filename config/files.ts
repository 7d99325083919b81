import { resolve } from 'node:path'
import { optionNames, options } from './options.ts'
import type { Values } from './values.ts'

/** Members of a peer that are files, or PEM text. */
const PEER_FILES = ['ca', 'cert', 'key'] as const

type Peer = Readonly<Partial<Record<(typeof PEER_FILES)[number], string>>>

/** The values with every relative file path made absolute, from the folder of whoever said it. */
export function withAbsoluteFiles(values: Values, folder: string): Values {
  const absolute = { ...values }
  for (const name of optionNames) {
    const value = values[name]
    if (options[name].isFile && typeof value === 'string') absolute[name] = absoluteFile(value, folder)
  }
  if (values.peers) absolute.peers = (values.peers as readonly Peer[]).map((peer) => withPeerFiles(peer, folder))
  return absolute
}

export function isPem(value: string): boolean {
  return value.includes('-----BEGIN ')
}

function withPeerFiles(peer: Peer, folder: string): Peer {
  const files = PEER_FILES.flatMap((name) => {
    const value = peer[name]
    return value === undefined ? [] : [[name, absoluteFile(value, folder)]]
  })
  return { ...peer, ...Object.fromEntries(files) }
}

function absoluteFile(value: string, folder: string): string {
  return isPem(value) ? value : resolve(folder, value)
}
