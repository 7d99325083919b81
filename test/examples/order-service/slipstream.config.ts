import { defineConfig, standard } from 'slipstream/config'
import { orders } from './orders.ts'

/** What all instances have in common; what they have not, they are told by flags. */
export default defineConfig({
  retryInSeconds: 1,
  logs: { message: false },
  plugins: [standard(), orders()],
})
