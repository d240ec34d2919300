/** Sets of members on the wire: bit i, which is bit i mod 8 of byte ⌊i/8⌋ from the least significant, stands for i. */
import { accepted, type Result, rejected } from "./errors.ts";

/**
 * Encodes a set of members of a cohort of `size`: ⌈size/8⌉ bytes.
 * @throws RangeError if a member is not an integer from 0 to size − 1
 */
export function encodeMemberSet(members: Iterable<number>, size: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(size / 8));
  for (const member of members) {
    if (!Number.isInteger(member) || member < 0 || member >= size)
      throw new RangeError(`a member must be an integer from 0 to ${size - 1}, found ${member}`);
    bytes[member >>> 3]! |= 1 << (member & 7);
  }
  return bytes;
}

/**
 * Decodes a set of members of a cohort of `size`. Every set has exactly one encoding.
 * @param field names the message's field in a rejection
 * @returns the members in increasing order; `message-invalid` for a wrong length or a bit beyond the cohort
 */
export function decodeMemberSet(
  bytes: Uint8Array,
  { size, field }: { size: number; field: string },
): Result<number[]> {
  const spare = 8 * bytes.length - size;
  if (spare < 0 || spare > 7 || (spare > 0 && bytes.at(-1)! >>> (8 - spare) !== 0))
    return rejected("message-invalid", field, {
      rule: `must be ${Math.ceil(size / 8)} bytes with no bit beyond the ${size} members`,
      fix: "encode the set with encodeMemberSet of @kindred/protocol",
    });
  const members: number[] = [];
  for (let member = 0; member < size; member++)
    if ((bytes[member >>> 3]! & (1 << (member & 7))) !== 0) members.push(member);
  return accepted(members);
}
