// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: actions, groups and meters as text, and actions on the wire of any version.
 * What is understood is said again, and understood as the same: as text, and on the wire of each
 * version, where what is said twice is the same bytes. Checks refuse or do not, and never crash.
 */
#include "flow/action.h"
#include "flow/group.h"
#include "flow/meter.h"
#include "input.h"

#define TEXT_MAX (1u << 20)

static const uint8_t versions[] = { 1, 4, 5, 6 };
static char text[TEXT_MAX];

struct wire {
	uint8_t *bytes;
	size_t n, size;
};

/* False: it is too long for a message. */
static bool say(struct wire *out, const struct action_list *list, uint8_t version, bool rule)
{
	*out = (struct wire){ 0 };
	return actions_encode(list->bytes, list->len, version, rule, &out->bytes, &out->n,
			      &out->size) == 0;
}

/* A peer that is told the list, and tells it again, says the same. */
static void check_version(const struct action_list *list, uint8_t version, bool rule)
{
	struct action_list heard = { 0 };
	struct wire first, second;
	struct error err;

	if (!say(&first, list, version, rule))
		return;
	/* what becomes longer, or stands in an order that another version does not have */
	if (actions_decode(&heard, version, rule, first.bytes, first.n, &err) == OFERR_NONE &&
	    say(&second, &heard, version, rule)) {
		require(first.n == second.n &&
			(!first.n || !memcmp(first.bytes, second.bytes, first.n)));
		free(second.bytes);
	}
	require(actions_print(&heard, text, sizeof(text)) > 0);
	actions_free(&heard);
	free(first.bytes);
}

/* What is shown is understood, and shown again. */
static void check_text(const struct action_list *list, bool rule)
{
	struct action_list again = { 0 };
	int len = actions_print(list, text, sizeof(text));
	struct error err;
	char *shown;

	require(len > 0);
	if ((size_t)len >= sizeof(text))
		return;
	shown = strdup(text);
	require(shown);
	require(actions_print(list, text, 3) == len && strlen(text) == 2);
	if (actions_parse(&again, shown, rule, &err) == 0) {
		require(actions_print(&again, text, sizeof(text)) == len);
		require(!strcmp(text, shown));
	} else {
		require(strstr(err.text, "too many") || strstr(err.text, "more than"));
	}
	actions_free(&again);
	free(shown);
}

static bool is_even(const void *arg, uint32_t number)
{
	(void)arg;
	return !(number & 1);
}

static void check_checks(struct action_list *list, struct input *in)
{
	struct action_limits limits = { .table = take_choice(in, 255),
					.has_table = take_choice(in, 2),
					.inconsistent = take_choice(in, 2) };
	static const char *const matches[] = {
		"", "tcp", "udp6", "mpls", "arp", "dl_vlan=5", "icmp6,icmp_type=135"
	};
	struct match match;
	struct error err;

	if (take_choice(in, 2))
		limits.group_exists = limits.meter_exists = is_even;
	require(match_parse(&match, matches[take_choice(in, ARRAY_SIZE(matches))], &err) == 0);
	*err.text = '\0';
	require(!actions_check(list, &match, &limits, &err) == !*err.text);
	actions_check(list, NULL, &limits, NULL);
	actions_output_to(list, OFPORT_LOCAL);
	actions_use_group(list, 5);
	actions_settle(list, &match);
}

static void check_list(struct action_list *list, bool rule, struct input *in)
{
	struct action_list copy;

	require(actions_copy(&copy, list) == 0 && actions_equal(&copy, list));
	check_text(list, rule);
	check_checks(&copy, in);
	for (unsigned i = 0; i < ARRAY_SIZE(versions); i++) {
		check_version(list, versions[i], rule);
		check_version(&copy, versions[i], rule);
	}
	actions_free(&copy);
}

static void try_group(const char *said)
{
	struct group *group, *again;
	struct error err;
	uint32_t bucket;
	char *shown;

	if (group_parse(&group, &bucket, said, &err)) {
		require(!group && *err.text);
		return;
	}
	group_check(group, &err);
	if (group_print(group, text, sizeof(text)) < (int)sizeof(text)) {
		shown = strdup(text);
		require(shown && group_parse(&again, NULL, shown, &err) == 0);
		group_print(again, text, sizeof(text));
		require(!strcmp(shown, text));
		group_unref(again);
		free(shown);
	}
	group_unref(group);
}

static void try_meter(const char *said)
{
	struct meter *meter, *again;
	char shown[1024];
	struct error err;

	if (meter_parse(&meter, said, &err)) {
		require(!meter && *err.text);
		return;
	}
	meter_check(meter, &err);
	require(meter_print(meter, shown, sizeof(shown)) < (int)sizeof(shown));
	require(meter_parse(&again, shown, &err) == 0);
	meter_print(again, text, sizeof(text));
	require(!strcmp(shown, text));
	meter_unref(again);
	meter_unref(meter);
}

static void try_text(struct input *in, const char *said, bool rule)
{
	struct action_list list = { 0 };
	struct error err;

	if (actions_parse(&list, said, rule, &err) == 0)
		check_list(&list, rule, in);
	else
		require(!list.bytes && !list.len && *err.text);
	actions_free(&list);
}

static void try_wire(struct input *in, uint8_t version, bool rule)
{
	struct action_list list = { 0 };
	struct error err = { "" };

	if (actions_decode(&list, version, rule, in->data, in->left, &err) == OFERR_NONE)
		check_list(&list, rule, in);
	else
		require(!list.bytes && !list.len && *err.text);
	actions_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned what = take_choice(&in, 16);
	bool rule = what & 1;
	char *said;

	if (what < 8) {
		try_wire(&in, versions[what / 2], rule);
		return 0;
	}
	said = zeroed(in.left + 1);
	take_bytes(&in, said, in.left);
	if (what < 12)
		try_text(&in, said, rule);
	else if (what < 14)
		try_group(said);
	else
		try_meter(said);
	free(said);
	return 0;
}
