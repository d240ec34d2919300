/** Arrays of float32 as little-endian bytes, whatever the platform's byte order. */

export function floatBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) view.setFloat32(i * 4, values[i]!, true);
  return bytes;
}

/** @param bytes a multiple of four */
export function bytesFloat(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(i * 4, true);
  return values;
}

/** Whether all bytes are whole, finite float32 values. */
export function areFiniteFloats(bytes: Uint8Array): boolean {
  if (bytes.length % 4 !== 0) return false;
  for (let i = 3; i < bytes.length; i += 4)
    // All exponent bits set: NaN or infinite.
    if ((bytes[i]! & 0x7f) === 0x7f && bytes[i - 1]! >= 0x80) return false;
  return true;
}
