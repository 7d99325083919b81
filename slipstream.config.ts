import { defineConfig, standard } from 'slipstream/config'

/** What `npm start` runs in this folder: one instance on loopback, with everything that is built in. */
export default defineConfig({
  tags: ['local'],
  plugins: [standard()],
})
