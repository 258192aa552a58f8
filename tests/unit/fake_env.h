/* SPDX-License-Identifier: Apache-2.0 */
/* A port's env that counts what the port asks for, in tests of one port without a switch. */
#pragma once

#include "port/port.h"

/* What the port under test asked for so far. */
struct fake_env {
	struct port_env env; /* first */
	unsigned n_quiesce, n_changed, n_attention;
};

/* The env that @port was created with. */
static inline struct fake_env *fake_env_of(const struct port *port)
{
	return (struct fake_env *)(uintptr_t)port->env;
}

/* Counts; the test calls quiesced() itself. */
static inline void fake_quiesce(struct port *port)
{
	fake_env_of(port)->n_quiesce++;
}

/* Counts. */
static inline void fake_changed(struct port *port)
{
	fake_env_of(port)->n_changed++;
}

/* Ignored. */
static inline void fake_announce(struct port *port, mac_t mac)
{
}

/* Counts; workers call this too. The test calls attend() itself. */
static inline void fake_attention(struct port *port)
{
	__atomic_add_fetch(&fake_env_of(port)->n_attention, 1, __ATOMIC_SEQ_CST);
}

/* A new env; @base may be NULL for ports without events. */
static inline struct fake_env fake_env_make(struct event_base *base)
{
	return (struct fake_env){ .env = { .base = base,
					   .quiesce = fake_quiesce,
					   .changed = fake_changed,
					   .announce = fake_announce,
					   .attention = fake_attention } };
}

/* Checks @options (consumed) against the kind's table, as the switch does, and creates the port. */
static inline int fake_create(const struct port_ops *ops, struct port **port, const char *name,
			      json_t *options, struct fake_env *env, struct error *err)
{
	const struct option common[] = {
		{ .name = "mtu", .type = OPTION_UINT, .min = 68, .max = 65521 },
		{ .name = NULL },
	};
	const struct option *const tables[] = { common, ops->options, NULL };
	int r = options_check(tables, options, true, err);

	if (!r)
		r = ops->create(port, name, options, &env->env, NULL, err);
	json_decref(options);
	return r;
}
