/**
 * All unit tests in this one process: a process for each file costs 0.1 s a file, and one process for all proves that
 * no file leans on module state. Tests that need a process of their own are called x.process.test.ts.
 */
import { test } from "node:test";
import { suites } from "./suites.ts";

for (const file of suites.units()) {
  try {
    await import(file);
  } catch (error) {
    // One file that does not load must not take the others' results with it.
    test(`${file} loads`, () => {
      throw error;
    });
  }
}
