import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type RunningAdmin, startAdmin } from "../../../../testkit/admin.ts";

const admin: RunningAdmin = await startAdmin();
after(() => admin.close());
const { get } = admin;

test("/clusters in text", async () => {
  const { body } = await get("/clusters?filter=00");
  assert.equal(
    body,
    `observability_name::c00-main
default_priority::max_connections::1024
default_priority::max_pending_requests::1024
default_priority::max_requests::1024
default_priority::max_retries::3
high_priority::max_connections::1024
high_priority::max_pending_requests::1024
high_priority::max_requests::1024
high_priority::max_retries::3
added_via_api::false
127.0.0.1:43847::cx_active::1
127.0.0.1:43847::cx_connect_fail::0
127.0.0.1:43847::cx_total::1
127.0.0.1:43847::rq_active::0
127.0.0.1:43847::rq_error::0
127.0.0.1:43847::rq_success::1
127.0.0.1:43847::rq_timeout::0
127.0.0.1:43847::rq_total::1
127.0.0.1:43847::hostname::
127.0.0.1:43847::health_flags::healthy
127.0.0.1:43847::weight::1
127.0.0.1:43847::region::
127.0.0.1:43847::zone::
127.0.0.1:43847::sub_zone::
127.0.0.1:43847::canary::false
127.0.0.1:43847::priority::0
127.0.0.1:43847::success_rate::-1
127.0.0.1:43847::local_origin_success_rate::-1
`.replace(/^(?=.)/gm, "c00-main::"),
  );
  const other = (await get("/clusters?filter=^other$")).body;
  assert.match(other, /^other::observability_name::alt$/m);
  assert.match(other, /^other::high_priority::max_connections::10$/m);
  assert.match(other, /^other::\[::1\]:4::health_flags::\/failed_active_hc$/m);
  assert.match(other, /^other::\/x.sock::health_flags::\/eds_status_draining$/m);
});

test("/clusters in JSON leaves out what is zero", async () => {
  const { body, headers } = await get("/clusters?format=json&filter=^other$");
  assert.equal(headers["content-type"], "application/json");
  const [status] = JSON.parse(body).cluster_statuses;
  assert.deepEqual(status.host_statuses[0], {
    address: { socket_address: { address: "::1", port_value: 4 } },
    stats: [
      { name: "cx_connect_fail" },
      { value: "1", name: "cx_total" },
      { name: "rq_error" },
      { value: "1", name: "rq_success" },
      { name: "rq_timeout" },
      { value: "1", name: "rq_total" },
      { type: "GAUGE", value: "1", name: "cx_active" },
      { type: "GAUGE", name: "rq_active" },
    ],
    health_status: { failed_active_health_check: true, eds_health_status: "HEALTHY" },
    weight: 1,
    hostname: "h",
    priority: 1,
    locality: {},
  });
  assert.deepEqual(status.host_statuses[1].address, { pipe: { path: "/x.sock" } });
  assert.deepEqual(status.host_statuses[1].health_status, { eds_health_status: "DRAINING" });
  assert.deepEqual(status.circuit_breakers.thresholds[1], {
    priority: "HIGH",
    max_connections: 10,
    max_pending_requests: 1024,
    max_requests: 1024,
    max_retries: 3,
  });
});
