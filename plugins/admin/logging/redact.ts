const PEM = /-----BEGIN [^-]+-----[\s\S]*?(?:-----END [^-]+-----|$)/g
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/=-]+/gi
const URL_CREDENTIALS = /:\/\/[^\s/@]+@/g
/** Card numbers in one piece, and in the groups they are printed in: 4-4-4-1 to 4-4-4-7, and 4-6-5. */
const CARD_NUMBERS =
  /(?<![\w-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5})(?!\w)|(?<!\d)\d{13,19}(?!\d)/g
/** C1 controls, which JSON does not escape: terminals obey them. */
const TERMINAL_CONTROLS = /[\u007f-\u009f]/g

/**
 * The second net under the closed list of log fields: what looks like a secret is masked, wherever it stands, and the
 * rest is cut to `max` characters. Of a card number the first six and last four digits stay (PCI DSS 4.0, 3.4.1).
 */
export function redact(text: string, max: number): string {
  const masked = text
    .replace(PEM, '[PEM]')
    .replace(BEARER, '$1 [secret]')
    .replace(URL_CREDENTIALS, '://[secret]@')
    .replace(CARD_NUMBERS, maskCard)
    .replace(TERMINAL_CONTROLS, '\ufffd')
  return masked.length <= max ? masked : `${masked.slice(0, max - 1)}…`
}

/** Any other number of that length is left as it is: ids are often times in milliseconds. */
function maskCard(found: string): string {
  const digits = found.replace(/\D/g, '')
  return passesLuhn(digits) ? `${digits.slice(0, 6)}******${digits.slice(-4)}` : found
}

/** The check digit that every card number carries (ISO/IEC 7812-1, annex B). */
function passesLuhn(digits: string): boolean {
  let sum = 0
  for (let place = 1; place <= digits.length; place++) {
    const digit = Number(digits[digits.length - place])
    const weighed = place % 2 === 0 ? digit * 2 : digit
    sum += weighed > 9 ? weighed - 9 : weighed
  }
  return sum % 10 === 0
}
