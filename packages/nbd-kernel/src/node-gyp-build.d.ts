declare module 'node-gyp-build' {
  /** Loads build/Release/*.node or a fitting prebuild below `packageRoot`; throws if none fits. */
  export default function load(packageRoot: string): unknown;
}
