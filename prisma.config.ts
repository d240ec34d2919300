import { defineConfig } from "prisma/config";

// `prisma generate` only asks that a schema engine exists; Kindred applies its SQL migrations itself
// (apps/coordinator/src/store/migrations.ts), so no engine is ever downloaded or run.
process.env["PRISMA_SCHEMA_ENGINE_BINARY"] ??= process.execPath;

export default defineConfig({
  schema: "prisma/schema.prisma",
  migrations: { path: "prisma/migrations" },
});
