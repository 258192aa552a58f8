// SPDX-License-Identifier: Apache-2.0
// What a load came to: the sums, the JSON and the table.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "captured.h"
#include "cli/bench_report.h"

static struct captured out;

/* Two ports: 10 frames of port 0 were lost, and one of port 1 came twice. */
static struct bench_load *make_load(struct bench_config *config)
{
	struct bench_load *load = calloc(1, sizeof(*load));

	assert_non_null(load);
	*config = (struct bench_config){ .frame_len = 60, .flows = 1, .check = true };
	load->config = config;
	load->n_ports = 2;
	load->ports[0] = (struct bench_port){ .path = "/a", .mac = 0x02000000000a };
	load->ports[1] = (struct bench_port){ .path = "/b", .mac = 0x02000000000b };
	load->ports[0].counters =
		(struct bench_counters){ .sent = 4000010, .received = 3000001, .refused = 7 };
	load->ports[1].counters = (struct bench_counters){ .sent = 3000000, .received = 4000000 };
	load->measured[0] = (struct bench_counters){ .sent = 2000000, .received = 1000000 };
	load->measured[1] = (struct bench_counters){ .sent = 1000000, .received = 2000000 };
	load->measured_ns = 2000000000;
	load->cpu_ns = 1000000000;
	load->busy_ns = 1200000000;
	load->kicks = 17;
	for (unsigned i = 0; i < 100; i++)
		histogram_add(&load->latency, i < 75 ? 1100 : 5000);
	return load;
}

static json_int_t integer(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static double real(const json_t *object, const char *name)
{
	return json_real_value(json_object_get(object, name));
}

static void test_json(void **state)
{
	struct bench_config config;
	struct bench_load *load = make_load(&config);
	json_t *report = bench_report(load),
	       *port = json_array_get(json_object_get(report, "ports"), 0);
	const json_t *total = json_object_get(report, "total");
	const json_t *generator = json_object_get(report, "generator");
	const json_t *latency = json_object_get(report, "latency");

	assert_string_equal(json_string_value(json_object_get(report, "tso")), "off");
	assert_int_equal(integer(port, "sent"), 4000010);
	assert_int_equal(integer(port, "lost"), 10);
	assert_int_equal(integer(port, "refused"), 7);
	assert_string_equal(json_string_value(json_object_get(port, "mac")), "02:00:00:00:00:0a");
	assert_float_equal(real(port, "received_mpps"), 0.5, 1e-9);
	assert_float_equal(real(port, "received_gbits"), 0.5e6 * 64 * 8 / 1e9, 1e-9);
	assert_int_equal(integer(total, "sent"), 7000010);
	assert_int_equal(integer(total, "lost"), 10);
	assert_float_equal(real(total, "received_mpps"), 1.5, 1e-9);
	assert_float_equal(real(generator, "cpu_percent"), 50, 1e-9);
	assert_float_equal(real(generator, "busy_percent"), 60, 1e-9);
	assert_float_equal(real(generator, "busy_ns_per_frame"), 100, 1e-9); /* 0.6 s, 6 million */
	assert_int_equal(integer(generator, "kicks"), 17);
	assert_int_equal(integer(latency, "frames"), 100);
	assert_int_equal(integer(latency, "max_ns"), 5000);
	assert_int_equal(json_array_size(json_object_get(latency, "histogram")), 2);
	json_decref(report);
	/* without the time on frames there is no latency */
	config.check = false;
	report = bench_report(load);
	assert_null(json_object_get(report, "latency"));
	json_decref(report);
	free(load);
}

static void test_print(void **state)
{
	static const char *const wanted[] = {
		"port ",
		"4000010",
		"/a\n",
		"total ",
		"1.500",
		"corrupted 0, reordered 0\n",
		"latency of 100 frames",
		"max 5.000\n",
		"1.024 us           75 ########################################\n",
		"2.048 us            0 \n",
		"4.096 us           25 #############\n",
		"had its processor for 50 %",
		"busy for 60 % of its time, 100.0 ns",
	};
	struct bench_config config;
	struct bench_load *load = make_load(&config);
	json_t *report = bench_report(load);

	capture_begin(&out, stdout);
	bench_report_print(report);
	capture_end(&out);
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!strstr(out.text, wanted[i]))
			fail_msg("\"%s\" is not in:\n%s", wanted[i], out.text);
	json_decref(report);
	free(load);
}

static void test_fails(void **state)
{
	struct bench_config config;
	struct bench_load *load = make_load(&config);
	struct error err;

	assert_false(bench_report_fails(load, &err)); /* what is lost is no error */
	load->ports[1].counters.reordered = 3;
	assert_true(bench_report_fails(load, &err));
	assert_non_null(strstr(err.text, "3 came out of order"));
	load->ports[1].counters.reordered = 0;
	load->ports[0].counters.corrupted = 4;
	assert_true(bench_report_fails(load, &err));
	assert_non_null(strstr(err.text, "4 were corrupted"));
	load->ports[0].counters = load->ports[1].counters = (struct bench_counters){ .sent = 5 };
	assert_true(bench_report_fails(load, &err));
	assert_non_null(strstr(err.text, "of 10 frames sent, none arrived"));
	free(load);
}

/* Nothing was measured: no division by zero. */
static void test_empty(void **state)
{
	struct bench_config config = { .frame_len = 60 };
	struct bench_load *load = calloc(1, sizeof(*load));
	json_t *report;

	load->config = &config;
	load->n_ports = 1;
	load->ports[0].path = "/a";
	report = bench_report(load);
	assert_float_equal(real(json_object_get(report, "total"), "received_mpps"), 0, 1e-9);
	assert_float_equal(real(json_object_get(report, "generator"), "busy_ns_per_frame"), 0,
			   1e-9);
	json_decref(report);
	free(load);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
