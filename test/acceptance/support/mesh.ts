import { Instance, urlConfig } from './instance.ts'
import type { Stage } from './stage.ts'
import { until } from './until.ts'

export interface Node {
  readonly name: string
  /** Names of nodes that stand before it in the list: so nobody waits for a second attempt to dial. */
  readonly dials?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Called with the folder before the first start: a place for a configuration file and packages. */
  prepare?(instance: Instance): Promise<void>
}

/** Starts instances that are linked as the nodes say, all told by their environment. */
export async function startMesh(stage: Stage, nodes: readonly Node[]): Promise<ReadonlyMap<string, Instance>> {
  const instances = new Map<string, Instance>()
  for (const { name, dials = [], environment = {}, prepare } of nodes) {
    const peers = dials.map((peer) => ({ url: get(instances, peer).url }))
    const instance = await Instance.create(stage, name)
    instances.set(name, instance)
    await instance.tell({ environment: instance.asEnvironment({ URL_CONFIG: urlConfig(peers), ...environment }) })
    await prepare?.(instance)
    await instance.start()
  }
  return instances
}

/** Waits until each instance knows all these tags to be reachable. */
export async function untilKnown(instances: Iterable<Instance>, tags: readonly string[]): Promise<void> {
  for (const instance of instances) {
    await until(`${instance.name} knows the tags ${tags}`, async () => {
      const known = await instance.reachableTags()
      return tags.every((tag) => known.includes(tag))
    })
  }
}

export function get<Value>(map: ReadonlyMap<string, Value>, name: string): Value {
  const value = map.get(name)
  if (value === undefined) throw new Error(`there is no ${name}`)
  return value
}
