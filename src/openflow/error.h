/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of errors in each version. Any thread. */
#pragma once

#include "flow/of_error.h"
#include "openflow/wire.h"

/* Writes the body of an error message for a peer of @version: its type and code, Nicira's or ONF's
 * where the version has none for @error, and the first bytes of the message that is refused. */
void of_error_write(struct of_out *out, enum of_error error, uint8_t version,
		    const uint8_t *request, size_t len);

/* Why a property, at @prop, that nobody knows is refused. */
enum of_error of_unknown_prop(const uint8_t *prop);
