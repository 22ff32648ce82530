import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderList } from "#http/headers.ts";
import { type LoadReport, readLoadReport } from "./load-report.ts";

/** Undefined: there is no report, or none that can be read. */
function read(value: string, name = "endpoint-load-metrics"): object | undefined {
  const report: LoadReport = new Map([["left over", 1]]);
  const found = readLoadReport(HeaderList.of({ [name]: value }), report);
  return found ? Object.fromEntries(report) : undefined;
}

const whole = {
  cpu_utilization: 0.5,
  rps_fractional: 100,
  eps: 2,
  "named_metrics.rif": 4,
};
/** As grpc-go sends it. */
const binary = "CQAAAAAAAOA/MQAAAAAAAFlAOQAAAAAAAABAQg4KA3JpZhEAAAAAAAAQQA";

test("text: names and numbers, with = or :", () => {
  const text = "cpu_utilization=0.5,rps_fractional=100,eps=2,named_metrics.rif=4";
  assert.deepEqual(read(`TEXT ${text}`), whole);
  assert.deepEqual(read(`TEXT ${text.replaceAll("=", ":")}`), whole);
  assert.deepEqual(read("TEXT  eps= 1e1 ,, mem_utilization=.5 "), {
    eps: 10,
    mem_utilization: 0.5,
  });
  assert.deepEqual(read("TEXT named_metrics.a:b=1"), undefined);
  assert.deepEqual(read("TEXT "), {});
});

test("text: one wrong entry spoils the report", () => {
  for (const wrong of [
    "eps",
    "eps=",
    "=1",
    "eps=x",
    "eps=nan",
    "eps=1e999",
    "eps=-1",
    "eps =1",
    "rps=1",
    "named_metrics.=1",
    "request_cost.a=1",
    "eps=1,eps=1",
  ])
    assert.equal(read(`TEXT cpu_utilization=1,${wrong}`), undefined, wrong);
});

test("JSON: fields by both of their names, numbers also as strings", () => {
  assert.deepEqual(
    read(
      'JSON {"cpuUtilization": 0.5, "rps": 7, "rps_fractional": "100", "eps": 2, "named_metrics": {"rif": 4}, "utilization": null}',
    ),
    whole,
  );
  for (const wrong of [
    "",
    "x",
    "1",
    "null",
    '{"x": 1}',
    '{"eps": true}',
    '{"namedMetrics": [1]}',
    "[]",
    '{"eps": 1e999}',
  ])
    assert.equal(read(`JSON ${wrong}`), undefined, wrong);
});

test("binary: with and without padding, under either name", () => {
  assert.deepEqual(read(binary, "endpoint-load-metrics-bin"), whole);
  assert.deepEqual(read(`${binary}==`, "endpoint-load-metrics-bin"), whole);
  assert.deepEqual(read(`BIN ${binary}`), whole);
  assert.equal(read("", "endpoint-load-metrics-bin"), undefined);
  assert.equal(read("!", "endpoint-load-metrics-bin"), undefined);
});

test("binary: cut short anywhere but between fields it is no report; what is unknown is passed over", () => {
  const bytes = Buffer.from(binary, "base64");
  const ends = new Set([9, 18, 27, bytes.length]);
  for (let length = 1; length <= bytes.length; length++) {
    const found = read(bytes.subarray(0, length).toString("base64"), "endpoint-load-metrics-bin");
    assert.equal(found !== undefined, ends.has(length), String(length));
  }
  // Field 3 (a varint), field 20 (four octets), field 21 (a string).
  const unknown = Buffer.from([0x18, 0x96, 0x01, 0xa5, 0x01, 1, 2, 3, 4, 0xaa, 0x01, 1, 65]);
  const both = Buffer.concat([unknown, bytes]).toString("base64");
  assert.deepEqual(read(both, "endpoint-load-metrics-bin"), whole);
});

test("neither of the fields, or another form, is no report", () => {
  assert.equal(read("TEXT eps=1", "x"), undefined);
  for (const other of ["", "eps=1", "text eps=1", "XML <eps>1</eps>"])
    assert.equal(read(other), undefined, other);
});
