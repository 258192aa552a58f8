// SPDX-License-Identifier: Apache-2.0
// Ports for people: what is printed, byte for byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "captured.h"
#include "cli/port_show.h"

static struct captured out;

static json_t *load(const char *text)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(json);
	return json;
}

static void begin(void)
{
	capture_begin(&out, stdout);
}

static void end(const char *want)
{
	assert_string_equal(capture_end(&out), want);
}

static const char port_text[] =
	"{\"name\":\"vm1\",\"type\":\"tap\",\"bridge\":\"br0\",\"link\":true,\"mtu\":1500,"
	"\"rx_packets\":2,\"rx_bytes\":120,\"tx_packets\":10,\"tx_bytes\":15000,"
	"\"drops\":{\"vlan\":3,\"zero\":0,\"new_reason\":1},\"something_new\":\"x\","
	"\"queues\":[{\"index\":0,\"worker\":1,\"direction\":\"rx\"}]}";

static void test_port(void **state)
{
	json_t *port = load(port_text), *texts = load("{\"vlan\":\"VLAN not allowed\"}");

	begin();
	port_print(port, texts);
	end("vm1: tap port on bridge br0, link up\n"
	    "  mtu               1500\n"
	    "  something new     x\n"
	    "  received          2 packets, 120 bytes\n"
	    "  sent              10 packets, 15000 bytes (15.0kB)\n"
	    "  drops\n"
	    "    vlan            3  VLAN not allowed\n"
	    "    new_reason      1\n"
	    "  queues\n"
	    "    DIRECTION  INDEX  WORKER\n"
	    "    rx             0       1\n");
	json_object_clear(json_object_get(port, "drops"));
	json_object_del(port, "queues");
	json_object_del(port, "something_new");
	json_object_del(port, "mtu");
	json_object_set_new(port, "options", load("{\"existing\": true, \"tag\": 7}"));
	begin();
	port_print(port, NULL);
	end("vm1: tap port on bridge br0, link up\n"
	    "  options\n"
	    "    existing        on\n" /* as it was said */
	    "    tag             7\n"
	    "  received          2 packets, 120 bytes\n"
	    "  sent              10 packets, 15000 bytes (15.0kB)\n"
	    "  drops             none\n");
	json_object_del(port, "options");
	begin();
	port_print(port, NULL);
	end("vm1: tap port on bridge br0, link up\n"
	    "  received          2 packets, 120 bytes\n"
	    "  sent              10 packets, 15000 bytes (15.0kB)\n"
	    "  drops             none\n");
	json_decref(port);
	json_decref(texts);
}

static void test_drops(void **state)
{
	json_t *drops = load("{\"too_long\": 12, \"vlan\": 0}"), *none = load("{}");
	json_t *texts = load("{\"too_long\": \"longer\"}");

	begin();
	drops_print(drops, texts, 0);
	end("drops\n"
	    "  too_long          12  longer\n");
	begin();
	drops_print(none, NULL, 0);
	end("drops               none\n");
	json_decref(drops);
	json_decref(none);
	json_decref(texts);
}

static void test_ports(void **state)
{
	json_t *port = load(port_text), *ports = json_array();

	json_array_append(ports, port);
	begin();
	ports_print(ports);
	end("NAME  TYPE  BRIDGE  LINK  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  DROPS\n"
	    "vm1   tap   br0     up             2       120          10     15000      4\n");
	json_decref(ports);
	ports = json_array();
	begin();
	ports_print(ports);
	end("NAME  TYPE  BRIDGE  LINK  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  DROPS\n");
	json_decref(ports);
	json_decref(port);
}

static void test_vhost_user_port(void **state)
{
	json_t *port = load(
		"{\"name\":\"vm2\",\"type\":\"vhost-user\",\"bridge\":\"br1\",\"link\":false,"
		"\"options\":{\"path\":\"/run/vm2.sock\",\"server\":false},"
		"\"peer_pid\":77,\"features\":[\"MRG_RXBUF\",\"VERSION_1\"],"
		"\"rx_packets\":0,\"rx_bytes\":999,\"tx_packets\":1,\"tx_bytes\":1000,"
		"\"drops\":{\"no_buffer\":5,\"link_down\":1},"
		"\"queues\":[{\"index\":0,\"direction\":\"rx\",\"size\":256,\"ring\":\"split\","
		"\"worker\":0,\"state\":\"polled\",\"kicks\":3},"
		"{\"index\":10,\"direction\":\"tx\",\"size\":1024,\"ring\":\"split\"}]}");
	json_t *texts = load("{\"no_buffer\":\"the guest gave no room\",\"link_down\":7}");

	begin();
	port_print(port, texts);
	end("vm2: vhost-user port on bridge br1, link down\n"
	    "  options\n"
	    "    path            /run/vm2.sock\n"
	    "    server          off\n"
	    "  peer pid          77\n"
	    "  features          MRG_RXBUF, VERSION_1\n"
	    "  received          0 packets, 999 bytes\n"
	    "  sent              1 packets, 1000 bytes (1.00kB)\n"
	    "  drops\n"
	    "    no_buffer       5  the guest gave no room\n"
	    "    link_down       1\n"
	    "  queues\n"
	    "    DIRECTION  INDEX  WORKER  STATE   RING   SIZE  KICKS\n"
	    "    rx             0       0  polled  split   256      3\n"
	    "    tx            10       -  -       split  1024      -\n");
	/* the answer is only read */
	assert_true(json_is_false(json_object_get(json_object_get(port, "options"), "server")));
	json_decref(port);
	json_decref(texts);
}

/* A daemon of another version may leave out anything, and say it otherwise. */
static void test_strange_ports(void **state)
{
	static const char nothing[] = "-: ? port on bridge ?, link down\n"
				      "  received          0 packets, 0 bytes\n"
				      "  sent              0 packets, 0 bytes\n"
				      "  drops             none\n";
	json_t *empty = load("{}"), *port = load("{\"name\":\"a\\u001b[2J\",\"queues\":7}");

	begin();
	port_print(empty, NULL);
	end(nothing);
	begin();
	port_print(port, NULL);
	assert_non_null(strstr(capture_end(&out), "a?[2J: ? port"));
	assert_non_null(strstr(out.text, "queues            7\n"));
	json_decref(empty);
	json_decref(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port),	      cmocka_unit_test(test_vhost_user_port),
		cmocka_unit_test(test_strange_ports), cmocka_unit_test(test_ports),
		cmocka_unit_test(test_drops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
