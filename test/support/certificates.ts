import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Paths of PEM files. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate authority with the certificates that tests of TLS need, and an authority nobody trusts. */
export interface Certificates {
  readonly ca: string
  readonly otherCa: string
  /** For `localhost` and 127.0.0.1. */
  readonly server: Certificate
  readonly client: Certificate
  /** For another host name, signed by the same authority. */
  readonly elsewhere: Certificate
  /** Ran out yesterday. */
  readonly expired: Certificate
  /** A client of the authority nobody trusts. */
  readonly stranger: Certificate
  remove(): Promise<void>
}

const run = promisify(execFile)
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** Makes them with the `openssl` command line, in a temporary folder. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-certificates-'))
  const [ca, other] = await Promise.all([authority(folder, 'ca'), authority(folder, 'other-ca')])
  return {
    ca: ca.cert,
    otherCa: other.cert,
    server: await leaf(folder, 'server', ca, 'DNS:localhost,IP:127.0.0.1'),
    client: await leaf(folder, 'client', ca, 'DNS:client.example'),
    elsewhere: await leaf(folder, 'elsewhere', ca, 'DNS:elsewhere.example'),
    expired: await leaf(folder, 'expired', ca, 'DNS:localhost,IP:127.0.0.1', '-1'),
    stranger: await leaf(folder, 'stranger', other, 'DNS:client.example'),
    remove: () => rm(folder, { recursive: true }),
  }
}

async function authority(folder: string, name: string): Promise<Certificate> {
  const { cert, key } = filesOf(folder, name)
  await run('openssl', ['req', '-x509', ...NEW_KEY, '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`])
  return { cert, key }
}

async function leaf(
  folder: string,
  name: string,
  issuer: Certificate,
  names: string,
  days = '2',
): Promise<Certificate> {
  const { cert, key } = filesOf(folder, name)
  const request = join(folder, `${name}.csr`)
  const extensions = join(folder, `${name}.ext`)
  await writeFile(extensions, `basicConstraints=CA:FALSE\nsubjectAltName=${names}\n`)
  await run('openssl', ['req', ...NEW_KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name}`])
  const signer = ['-CA', issuer.cert, '-CAkey', issuer.key, '-CAcreateserial']
  await run('openssl', ['x509', '-req', '-in', request, ...signer, '-days', days, '-extfile', extensions, '-out', cert])
  return { cert, key }
}

function filesOf(folder: string, name: string): Certificate {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
}
