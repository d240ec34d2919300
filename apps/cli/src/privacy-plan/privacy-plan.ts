/** `kindred privacy plan`: what a plan promises and costs, before anything runs. */
import { writeFile } from "node:fs/promises";
import { isRich } from "../terminal/text.ts";
import { type PlanFigures, planFigures } from "./figures.ts";
import { renderPlanPage } from "./html.ts";
import { type PrivacyPlanFlags, readPlanQuestion } from "./options.ts";
import { renderPlan } from "./render.ts";

interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Prints the page, or the JSON instead with `--json`; with `--json FILE` and `--html FILE` writes them as well.
 * @throws KindredError naming the flag or the plan's field, its rule and the fix
 */
export async function privacyPlan(flags: PrivacyPlanFlags, { stdout, env }: Terminal): Promise<PlanFigures> {
  const figures = planFigures(await readPlanQuestion(flags));
  const json = `${JSON.stringify(figures, null, 2)}\n`;
  if (typeof flags.json === "string") await writeFile(flags.json, json);
  if (flags.html !== undefined) await writeFile(flags.html, renderPlanPage(figures));
  if (flags.json === true) stdout.write(json);
  else
    stdout.write(
      renderPlan(figures, {
        columns: stdout.columns || 80,
        color: isRich(stdout.isTTY, { ...env }),
        unicode: speaksUnicode(env),
      }),
    );
  return figures;
}

/** Whether the locale, where one is set, is UTF-8; POSIX lets LC_ALL win over LC_CTYPE over LANG. */
export function speaksUnicode(env: Readonly<Record<string, string | undefined>>): boolean {
  if (env["TERM"] === "dumb" || env["TERM"] === "linux") return false;
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"];
  return locale === undefined || locale === "" || /utf-?8/i.test(locale);
}
