/* SPDX-License-Identifier: Apache-2.0 */
/* Carries out plans on real packets (flow/rewrite.h), and keeps what happens to them. */
#pragma once

#include "flow/plan.h"
#include "reference.h"

void carry_out_plan(const uint8_t *steps, uint32_t steps_len, const struct frame *frame,
		    struct records *out);
