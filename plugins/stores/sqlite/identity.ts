import { type StoreContext, slipstreamError } from '../../../core/index.ts'
import type { Meta } from './meta.ts'

export interface Identity {
  readonly instanceId: string
  readonly epoch: string
}

/** Who this store belongs to: what it remembers; when it is empty, what is wished for or drawn. */
export function identify(meta: Meta, { runtime, instanceId: wish }: StoreContext): Identity {
  const instanceId = meta.get('instance_id') ?? wish ?? runtime.id()
  if (wish !== undefined && wish !== instanceId) throw slipstreamError('SLP_INSTANCE_ID_CHANGED', [instanceId, wish])
  const epoch = meta.get('epoch') ?? runtime.id()
  meta.set('instance_id', instanceId)
  meta.set('epoch', epoch)
  return { instanceId, epoch }
}
