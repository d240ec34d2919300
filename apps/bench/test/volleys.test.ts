import { expect, test } from "vitest";
import { Volleys } from "../src/secagg/volleys.ts";

function recorded(hosts: number) {
  const sent: number[] = [];
  const volleys = new Volleys(hosts, (host) => sent.push(host));
  const taken = () => sent.splice(0);
  return { volleys, taken };
}

test("a round begins when all wait for it and it is open, whichever comes last", () => {
  const { volleys, taken } = recorded(2);
  volleys.arrive(0, "waiting");
  volleys.open();
  expect(taken()).toEqual([]);
  volleys.arrive(1, "waiting");
  expect(taken()).toEqual([0, 1]);
  volleys.arrive(0, "waiting");
  volleys.arrive(1, "waiting");
  expect(taken()).toEqual([]);
  volleys.open();
  expect(taken()).toEqual([0, 1]);
});

test("answers to a phase are sent when those of every process are there", () => {
  const { volleys, taken } = recorded(2);
  volleys.arrive(1, "answered");
  expect(taken()).toEqual([]);
  volleys.arrive(0, "answered");
  expect(taken()).toEqual([0, 1]);
});

test("a process without clients left does not hold the others up", () => {
  const { volleys, taken } = recorded(3);
  volleys.arrive(1, "waiting");
  volleys.arrive(0, "answered");
  volleys.arrive(2, "answered");
  expect(taken()).toEqual([0, 2]);
  volleys.open();
  volleys.arrive(0, "waiting");
  expect(taken()).toEqual([]);
  volleys.arrive(2, "waiting");
  expect(taken()).toEqual([0, 1, 2]);
});
