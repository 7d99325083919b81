/** The version of this kernel: what a plugin's `slipstream` range is held against. A test compares it with package.json. */
export const VERSION = '1.0.0'
