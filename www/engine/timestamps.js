// Burn stops with a panic on a GPU without timestamp queries. It would need them to profile, which nothing here does. So every
// adapter says that it has them, and no device is asked for those that its adapter lacks.

const QUERIES = 'timestamp-query';

/** To be called before the engine looks for an adapter. */
export function offerTimestamps() {
  /** @type {{ GPUAdapter?: { prototype: any } }} */
  const { GPUAdapter } = /** @type {any} */ (self);
  if (!GPUAdapter) return;
  const { prototype } = GPUAdapter;
  /** @type {(this: object) => Set<string>} */
  const features = /** @type {any} */ (Object.getOwnPropertyDescriptor(prototype, 'features')).get;
  const request = prototype.requestDevice;
  Object.defineProperty(prototype, 'features', { get() { return new Set([...features.call(this), QUERIES]); } });
  /** @this {object} @param {{ requiredFeatures?: Iterable<string> }} [descriptor] */
  prototype.requestDevice = function (descriptor = {}) {
    const there = features.call(this);
    const required = [...descriptor.requiredFeatures ?? []].filter((name) => name !== QUERIES || there.has(name));
    return request.call(this, { ...descriptor, requiredFeatures: required });
  };
}
