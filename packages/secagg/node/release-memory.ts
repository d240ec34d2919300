/** Memory that goes back at once instead of when garbage is collected. */
import { MessageChannel } from "node:worker_threads";

/** `ArrayBuffer.prototype.transfer` of ES2024, where the engine has it. */
type Transferable = ArrayBuffer & { transfer?(byteLength: number): ArrayBuffer };

/** A port without another end: what is transferred to it is freed. */
const { port1: nowhere } = new MessageChannel();
nowhere.close();

/**
 * Frees the memory of `bytes`, which has length zero afterwards. Without this every block of keystream takes fresh, cold
 * memory, and the collector's threads, which run beside those that take off masks, spend half as long again on giving it back.
 * Bytes that share their memory with others are left alone.
 */
export function releaseMemory(bytes: Uint8Array): void {
  const memory = bytes.buffer as Transferable;
  if (bytes.length === 0 || bytes.length !== memory.byteLength) return;
  if (memory.transfer !== undefined) memory.transfer(0);
  else nowhere.postMessage(undefined, [memory]);
}
