import { statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Database, pragmaNumber } from './database.ts'

/** The size of a file; 0 if there is none. */
export function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Pages that hold something. The file may be larger: pages that became free are taken again before it grows. */
export function usedBytes(database: Database): number {
  const pages = pragmaNumber(database, 'page_count') - pragmaNumber(database, 'freelist_count')
  return pages * pragmaNumber(database, 'page_size')
}

/** How far the file can grow: as far as it was allowed to, or as its disk has room. */
export function capacityBytes(database: Database, path: string): number {
  const allowed = pragmaNumber(database, 'max_page_count') * pragmaNumber(database, 'page_size')
  return Math.min(allowed, fileBytes(path) + roomOn(statfsSync(dirname(path))))
}

/** Room that is left, in bytes. A file system that does not say how large it is does not say that it is full either. */
export function roomOn({ blocks, bavail, bsize }: { blocks: number; bavail: number; bsize: number }): number {
  return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
}
