-- The model in use: what was released last, until an operator goes back to an earlier one.
ALTER TABLE "Task" ADD COLUMN "currentModel" TEXT;
ALTER TABLE "Task" ADD CONSTRAINT "Task_currentModel_check" CHECK ("currentModel" ~ '^[0-9a-f]{64}$');
UPDATE "Task" SET "currentModel" = (
  SELECT "hash" FROM "ModelVersion" WHERE "ModelVersion"."task" = "Task"."id" ORDER BY "round" DESC LIMIT 1
);

-- Devices of accounts
CREATE TABLE "AccountDevice" (
  "task" TEXT NOT NULL,
  "device" TEXT NOT NULL,
  "account" TEXT NOT NULL,
  "firstSeen" TIMESTAMP(3) NOT NULL,
  CONSTRAINT "AccountDevice_pkey" PRIMARY KEY ("task", "device"),
  CONSTRAINT "AccountDevice_task_fkey" FOREIGN KEY ("task") REFERENCES "Task" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "AccountDevice_device_check" CHECK ("device" ~ '^[0-9a-f]{64}$'),
  CONSTRAINT "AccountDevice_account_check" CHECK ("account" ~ '^[0-9a-f]{64}$')
);
CREATE INDEX "AccountDevice_task_account_idx" ON "AccountDevice" ("task", "account");
