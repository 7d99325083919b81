import { Instance, install, urlConfig } from './instance.ts'
import { untilKnown } from './mesh.ts'
import { type PythonClient, startClient } from './python.ts'
import type { Stage } from './stage.ts'

/** One side of the ring: an instance, a client that takes part for good, and one that publishes. */
export interface Side {
  readonly instance: Instance
  readonly receiver: PythonClient
  readonly publisher: PythonClient
}

const NAMES = ['aws', 'azure', 'gcp'] as const
export type SideName = (typeof NAMES)[number]

/** What the receivers bear. */
export const TAGS: Readonly<Record<SideName, readonly string[]>> = {
  aws: ['aws', 'cards'],
  azure: ['azure'],
  gcp: ['gcp', 'cards'],
}

/** What the messages target in turn: everybody, one side, several, and somebody whom nobody knows. */
const TARGETS = ';;aws;azure;gcp;cards;aws,gcp;;cards,azure;nobody'

/** aws, azure and gcp, each linked with the two others; no way of telling an instance what it is is left out. */
export class Ring {
  readonly aws: Instance
  readonly azure: Instance
  readonly gcp: Instance
  readonly #stage: Stage
  readonly #python: string

  static async start(stage: Stage, python: string, retryInSeconds: number): Promise<Ring> {
    const [aws, azure, gcp] = await Promise.all(NAMES.map((name) => Instance.create(stage, name)))
    if (!aws || !azure || !gcp) throw new Error('a ring has three sides')
    const ring = new Ring(stage, python, { aws, azure, gcp })
    await ring.#tellAll(retryInSeconds)
    // In this order nobody waits for the second attempt to dial.
    for (const instance of [azure, aws, gcp]) await instance.start()
    return ring
  }

  private constructor(stage: Stage, python: string, instances: Readonly<Record<SideName, Instance>>) {
    this.#stage = stage
    this.#python = python
    this.aws = instances.aws
    this.azure = instances.azure
    this.gcp = instances.gcp
  }

  get instances(): readonly Instance[] {
    return [this.aws, this.azure, this.gcp]
  }

  /** Receivers first; publishers begin when everybody knows what is reachable where. */
  async populate(messages: number): Promise<readonly Side[]> {
    const receivers = this.instances.map((instance) => this.#receiver(instance))
    await untilKnown(this.instances, Object.values(TAGS).flat())
    return this.instances.map((instance, index) => ({
      instance,
      receiver: receivers[index] as PythonClient,
      publisher: this.#publisher(instance, share(messages, index)),
    }))
  }

  #receiver({ name, url }: Instance): PythonClient {
    const tags = TAGS[name as SideName].join(',')
    return startClient(this.#stage, this.#python, 'receive', `receiver-${name}`, {
      url,
      name: `receiver-${name}`,
      tags,
    })
  }

  /** One has a name and is not durable, the others have none: each kind of publisher is sent live traffic beside its ACKs. */
  #publisher({ name, url }: Instance, count: number): PythonClient {
    const named = name === 'aws' ? { name: 'publisher-aws', durable: 'false' } : {}
    const options = { url, prefix: name, count, targets: TARGETS, ...named }
    return startClient(this.#stage, this.#python, 'publish', `publisher-${name}`, options)
  }

  /** aws by the environment alone, azure by a file alone, gcp by both. aws and azure dial one side, gcp dials two. */
  async #tellAll(retryInSeconds: number): Promise<void> {
    const { aws, azure, gcp } = this
    const retry = { SLIPSTREAM_RETRY_IN_N_SECONDS: String(retryInSeconds) }
    await aws.tell({
      environment: aws.asEnvironment({ ...retry, URL_CONFIG: urlConfig([{ url: azure.url, tags: [] }]) }),
    })
    const config = azure.asConfig({ peers: [{ url: gcp.url }], retryInSeconds })
    const text = `import { defineConfig } from 'slipstream/config'\n\nexport default defineConfig(${JSON.stringify(config)})\n`
    await azure.tell({ file: { name: 'slipstream.config.ts', text } })
    await install(azure.folder)
    const peers = [{ url: aws.url, tags: ['aws'] }, { url: azure.url }]
    await gcp.tell({
      file: { name: 'slipstream.config.json', text: JSON.stringify(gcp.asConfig({ retryInSeconds: 3_600 })) },
      environment: { ...retry, URL_CONFIG: urlConfig(peers) },
    })
  }
}

function share(messages: number, index: number): number {
  return Math.floor(messages / NAMES.length) + (index < messages % NAMES.length ? 1 : 0)
}
