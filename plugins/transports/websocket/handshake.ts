import type { IncomingHttpHeaders } from 'node:http'
import { type Introduction, isId } from '../../../core/index.ts'

/**
 * How two ends introduce themselves while the connection opens (§2 of the protocol): whoever dials in the query of the
 * URL, the listener in the headers of its answer.
 */

type Role = Introduction['role']

/** No control characters, no half surrogates; a comma separates tags. */
const TAG = /^[^\p{C},]{1,64}$/u
/** An instance speaks for everything behind it, a client for itself. */
const MAX_TAGS: Readonly<Record<Role, number>> = { client: 32, instance: 128 }

/** An introduction that breaks the rules. The message never repeats what was sent. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError'
}

/** What the one who dialled says of itself. Throws a `HandshakeError`. */
export function readQuery(query: URLSearchParams): Introduction {
  const role = readRole(single(query, 'role'))
  const instanceId = readName('instanceId', single(query, 'instanceId'))
  const durable = readFlag('durable', single(query, 'durable')) ?? true
  return {
    instanceId,
    role,
    tags: readTags(query.getAll('tags').join(',').split(','), role),
    clusterGroupId: readName('clusterGroupId', single(query, 'clusterGroupId')),
    durable: instanceId !== undefined && (durable || role === 'instance'),
    announces: readFlag('hello', single(query, 'hello')) ?? false,
    ...(readFlag('sync', single(query, 'sync')) && { syncs: true }),
  }
}

/** The peer's URL, with what this end says of itself. */
export function writeQuery(peerUrl: string, self: Introduction): URL {
  const url = new URL(peerUrl)
  const { searchParams } = url
  if (self.instanceId !== undefined) searchParams.set('instanceId', self.instanceId)
  if (self.tags.length > 0) searchParams.set('tags', self.tags.join(','))
  if (self.clusterGroupId !== undefined) searchParams.set('clusterGroupId', self.clusterGroupId)
  searchParams.set('role', self.role)
  if (self.announces) searchParams.set('hello', '1')
  if (self.syncs) searchParams.set('sync', '1')
  return url
}

/** What a listener says of itself; a deployed one sends none of it and stays unnamed. Throws a `HandshakeError`. */
export function readHeaders(headers: IncomingHttpHeaders): Introduction {
  const instanceId = readName('Slipstream-Instance-Id', headerOf(headers, 'slipstream-instance-id'))
  const tags = headerOf(headers, 'slipstream-tags')?.split(',').map(decode) ?? []
  return {
    instanceId,
    role: 'instance',
    tags: readTags(tags, 'instance'),
    clusterGroupId: readName('Slipstream-Cluster-Group', headerOf(headers, 'slipstream-cluster-group')),
    durable: instanceId !== undefined,
    announces: headerOf(headers, 'slipstream-hello') === '1',
    ...(headerOf(headers, 'slipstream-sync') === '1' && { syncs: true }),
  }
}

/** The header lines by which a listener introduces itself. */
export function writeHeaders(self: Introduction): string[] {
  const lines: string[] = []
  if (self.instanceId !== undefined) lines.push(`Slipstream-Instance-Id: ${encode(self.instanceId)}`)
  if (self.tags.length > 0) lines.push(`Slipstream-Tags: ${self.tags.map(encode).join(',')}`)
  if (self.clusterGroupId !== undefined) lines.push(`Slipstream-Cluster-Group: ${encode(self.clusterGroupId)}`)
  if (self.announces) lines.push('Slipstream-Hello: 1')
  if (self.syncs) lines.push('Slipstream-Sync: 1')
  return lines
}

function single(query: URLSearchParams, parameter: string): string | undefined {
  const values = query.getAll(parameter)
  if (values.length > 1) throw new HandshakeError(`${parameter} is given more than once`)
  return values[0]
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

function readRole(value: string | undefined): Role {
  if (value === undefined) return 'client'
  if (value === 'client' || value === 'instance') return value
  throw new HandshakeError('role must be client or instance')
}

function readName(what: string, value: string | undefined): string | undefined {
  if (value === undefined || isId(value)) return value
  throw new HandshakeError(`${what} must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -`)
}

function readFlag(what: string, value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw new HandshakeError(`${what} must be true or false`)
}

function readTags(values: readonly string[], role: Role): string[] {
  const tags = [...new Set(values.map((tag) => tag.trim()).filter((tag) => tag !== ''))]
  if (tags.length > MAX_TAGS[role]) throw new HandshakeError(`tags must be ${MAX_TAGS[role]} at most`)
  if (!tags.every((tag) => TAG.test(tag))) {
    throw new HandshakeError('each tag must be 1 to 64 printable characters, without commas')
  }
  return tags
}

/** Leaves names as they are, for readers that do not decode. By way of bytes, because half a surrogate would throw. */
function encode(text: string): string {
  return Buffer.from(text)
    .toString()
    .replace(/[^A-Za-z0-9._:-]/gu, encodeURIComponent)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new HandshakeError('Slipstream-Tags is not percent-encoded', { cause })
  }
}
