import type { PeerSettings } from '../../core/index.ts'
import type { Place } from './publication.ts'
import type { Random } from './random.ts'
import { drawState, type StatePlan, tangle } from './state-plan.ts'
import { addressOf } from './transport.ts'

const NAMES = ['aws', 'azure', 'gcp', 'oci', 'ovh', 'ibm', 'ali', 'sap']
/** How many instances a run with state has. */
const STATE_SIZES = [2, 2, 3, 3, 3, 4, 4, 5, 6, 8]
/** And one that takes hours. */
const FEW = [2, 3, 3, 4]
const REGIONS = ['eu', 'us']

/** Faults that a run may meet. Each seed draws which: with all of them always on, some would hide others. */
export interface Faults {
  readonly breaks: boolean
  readonly partitions: boolean
  readonly crashes: boolean
  readonly stops: boolean
  readonly failingWrites: boolean
  readonly failingReads: boolean
  readonly slowDisks: boolean
  readonly unreliable: boolean
  readonly forgetfulClients: boolean
  readonly skew: boolean
  readonly failover: boolean
  /** Applications refuse what they get, for now or for good, or ask to be left alone. */
  readonly refusals: boolean
  /** Some messages have a time beyond which nobody wants them. */
  readonly expiry: boolean
  /** Operators replay what is dead, while everything else goes on. */
  readonly replays: boolean
  /** Some messages are not to be delivered before their time. */
  readonly delays: boolean
}

/** Everything about a run that is drawn before it begins. */
export interface Plan {
  readonly shape: string
  readonly places: readonly Place[]
  /** Peers that each instance dials. */
  readonly peers: ReadonlyMap<string, readonly PeerSettings[]>
  readonly neighbours: ReadonlyMap<string, readonly string[]>
  readonly links: number
  readonly faults: Faults
  /** Undefined: nobody keeps state. */
  readonly state: StatePlan | undefined
  /** Whether instances meet, and learn each other's tags, before anything is published. */
  readonly acquainted: boolean
  readonly messages: number
  readonly latencyMs: number
}

/**
 * @param stateRandom draws what a run with state has beside the others; undefined: nobody keeps state
 * @param forgets whether what was deleted is forgotten after a while
 */
export function drawPlan(random: Random, stateRandom?: Random, forgets = false): Plan {
  const size = stateRandom ? stateRandom.pick(forgets ? FEW : STATE_SIZES) : random.pick([3, 3, 3, 4, 5])
  const names = NAMES.slice(0, size)
  const shape = stateRandom ? 'tangle' : random.pick(['ring', 'line', 'star', 'mesh'])
  const edges = stateRandom ? tangle(names, stateRandom) : edgesOf(shape, names)
  const state = stateRandom && drawState(names, stateRandom, forgets)
  const faults = drawFaults(random)
  const instances = names.map((name) => instance(name, random))
  // Who listens at an instance that loses its disk is forgotten with it, until it comes again.
  const clients = instances
    .flatMap(({ name }) => clientsOf(name, random))
    .filter(({ durable }) => !durable || !state?.wipes)
  const acquainted = random.chance(0.75)
  const drawn = {
    shape: `${shape} of ${size}`,
    places: [...instances, ...clients],
    peers: peersOf(names, edges, acquainted && !state?.wipes, random),
    neighbours: neighboursOf(edges, clients),
    links: edges.length,
    state,
    acquainted,
    messages: random.integer(10, 40),
    latencyMs: random.pick([1, 10, 80]),
  }
  // Last, so that the seeds from before there were delays draw what they drew.
  return { ...drawn, faults: { ...faults, delays: random.chance(0.4) } }
}

/** The instance beside which an application stands. */
export function homeOf({ name }: Place): string {
  return name.slice(name.indexOf('-') + 1)
}

function drawFaults(random: Random): Omit<Faults, 'delays'> {
  const sometimes = () => random.chance(0.4)
  return {
    breaks: sometimes(),
    partitions: sometimes(),
    crashes: sometimes(),
    stops: sometimes(),
    failingWrites: sometimes(),
    failingReads: sometimes(),
    slowDisks: sometimes(),
    unreliable: sometimes(),
    forgetfulClients: sometimes(),
    skew: sometimes(),
    failover: sometimes(),
    refusals: sometimes(),
    expiry: sometimes(),
    replays: sometimes(),
  }
}

function edgesOf(shape: string, names: readonly string[]): readonly (readonly [string, string])[] {
  const [first, ...others] = names as [string, ...string[]]
  if (shape === 'star') return others.map((other) => [first, other])
  if (shape === 'mesh')
    return names.flatMap((one, place) => names.slice(place + 1).map((other) => [one, other] as const))
  const line = others.map((other, place) => [names[place] as string, other] as const)
  return shape === 'line' ? line : [...line, [names.at(-1) as string, first]]
}

function instance(name: string, random: Random): Place {
  return { name, role: 'instance', tags: [name, random.pick(REGIONS)], durable: true }
}

/** A durable application that listens and publishes, or one without a name, or both, or none. */
function clientsOf(home: string, random: Random): readonly Place[] {
  const clients: Place[] = []
  const tags = random.chance(0.5) ? ['app', random.pick(REGIONS)] : []
  if (random.chance(0.7)) clients.push({ name: `app-${home}`, role: 'client', tags, durable: true })
  if (random.chance(0.5)) clients.push({ name: `guest-${home}`, role: 'client', tags, durable: false })
  return clients
}

/** Each link is dialled from one side or from both. Who is to wait for strangers must know them from its configuration. */
function peersOf(
  names: readonly string[],
  edges: readonly (readonly [string, string])[],
  alwaysAcquainted: boolean,
  random: Random,
): ReadonlyMap<string, readonly PeerSettings[]> {
  const peers = new Map<string, PeerSettings[]>(names.map((name) => [name, []]))
  for (const [one, other] of edges) {
    const diallers = alwaysAcquainted ? random.pick(['one', 'other', 'both']) : 'both'
    if (diallers !== 'other') peers.get(one)?.push(peer(other, random))
    if (diallers !== 'one') peers.get(other)?.push(peer(one, random))
  }
  return peers
}

function peer(name: string, random: Random): PeerSettings {
  return random.chance(0.3) ? { url: addressOf(name), instanceId: name } : { url: addressOf(name) }
}

function neighboursOf(
  edges: readonly (readonly [string, string])[],
  clients: readonly Place[],
): ReadonlyMap<string, readonly string[]> {
  const neighbours = new Map<string, string[]>()
  const add = (one: string, other: string) => neighbours.set(one, [...(neighbours.get(one) ?? []), other])
  for (const [one, other] of [...edges, ...clients.map((client) => [client.name, homeOf(client)] as const)]) {
    add(one, other)
    add(other, one)
  }
  return neighbours
}
