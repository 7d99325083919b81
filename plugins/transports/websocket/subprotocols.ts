import { type Level, SUBPROTOCOLS } from '../../../core/index.ts'

/** What both ends speak is chosen at the handshake (§2 of the protocol): the first that the dialling end names and this one knows. */
export function chosenOf(offered: string | undefined, spoken: readonly string[]): string | undefined {
  // Whoever names none speaks the plain level.
  const names = offered?.split(',').map((name) => name.trim()) ?? [SUBPROTOCOLS.plain]
  return names.find((name) => spoken.includes(name))
}

/** The level of a subprotocol; of none, it is plain. */
export function levelOf(subprotocol: string): Level {
  return subprotocol === SUBPROTOCOLS.linked ? 'linked' : 'plain'
}
