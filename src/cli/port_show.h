/* SPDX-License-Identifier: Apache-2.0 */
/* Ports and drops for people. */
#pragma once

#include <jansson.h>

/* A table of all ports. */
void ports_print(const json_t *ports);

/* Everything about one port. @drop_texts: {reason: words}, or NULL when they are not known. */
void port_print(const json_t *port, const json_t *drop_texts);

/* The counters @drops, {reason: count}, each in a line with its words; behind @indent blanks. */
void drops_print(const json_t *drops, const json_t *drop_texts, int indent);
