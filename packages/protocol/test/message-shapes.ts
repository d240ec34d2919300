/** What the schemas say about messages as they cross the wire. */
import type { z } from "zod";
import { clientMessageSchema, serverMessageSchema } from "../src/messages.ts";

type Option = z.ZodObject | z.ZodPipe<z.ZodObject, z.ZodType>;

/** The fields of every message type in their order, without `type`; of lists the columns that are written. */
function fieldsByType(options: readonly z.ZodType[]): ReadonlyMap<string, readonly string[]> {
  return new Map(
    (options as readonly Option[]).map((option) => {
      const { shape } = "in" in option ? option.in : option;
      const { value } = shape["type"] as z.ZodLiteral<string>;
      return [value, Object.keys(shape).filter((field) => field !== "type")];
    }),
  );
}

export const clientFields = fieldsByType(clientMessageSchema.options);
export const serverFields = fieldsByType(serverMessageSchema.options);
