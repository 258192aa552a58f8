/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: the words of the command line, one object a line.
 *
 *	# comment
 *	bridge add br0 mac-aging-time 300
 *	port add vm1 type vhost-user path /run/vireo/vm1.sock tag 10
 *	mac add 02:00:00:00:00:01 port vm1
 *	log set vhost debug
 *
 * Words are separated by blanks; a word in double quotes may hold blanks (\" and \\ are escapes). A
 * word that begins with # begins a comment, which reaches to the end of the line.
 *
 * As passive data: {"bridges": {name: options}, "ports": {name: options}, "macs": [options],
 * "workers": [options], "log": {module: level}}. Any thread.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"

#define CONFIG_TEXT_MAX (16u << 20) /* bytes of a file */

/* Turns a file's text into data (a new reference). Option values stay words: whether they are
 * right, switch_config_check() knows. All five members are there, empty ones too. NULL and a text
 * ("line 7: ...") when it cannot be understood, or an object or option is there twice.
 */
json_t *config_parse(const char *text, size_t len, struct error *err);

/* The text of @config, which config_parse() turns back into the same data, values as the words that
 * option_text() makes; malloc'd. NULL when memory is short, or a name or value holds a control
 * character.
 */
char *config_format(const json_t *config);
