-- Further public files of a task: its items' features
CREATE TABLE "TaskFile" (
  "task" TEXT NOT NULL,
  "hash" TEXT NOT NULL,
  CONSTRAINT "TaskFile_pkey" PRIMARY KEY ("task", "hash"),
  CONSTRAINT "TaskFile_task_fkey" FOREIGN KEY ("task") REFERENCES "Task" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT "TaskFile_hash_check" CHECK ("hash" ~ '^[0-9a-f]{64}$')
);
CREATE INDEX "TaskFile_hash_idx" ON "TaskFile" ("hash");
