// SPDX-License-Identifier: Apache-2.0
/* libFuzzer target: any bytes as a configuration file. What is understood must come back the same
 * from its own text, and that text must be stable; and each option in it is right, or the refusal
 * says why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "switch/config.h"
#include "switch/switch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = { "" };
	json_t *config = config_parse((const char *)data, size, &err), *again;
	char *text, *text_again;

	if (!config) {
		if (!err.text[0])
			abort(); /* a refusal must say why */
		return 0;
	}
	text = config_format(config);
	if (!text)
		abort();
	again = config_parse(text, strlen(text), &err);
	if (!again || !json_equal(config, again))
		abort();
	text_again = config_format(again);
	if (!text_again || strcmp(text, text_again))
		abort();
	err.text[0] = 0;
	if (switch_config_check(config, &err) < 0 && !err.text[0])
		abort();
	free(text);
	free(text_again);
	json_decref(config);
	json_decref(again);
	return 0;
}
