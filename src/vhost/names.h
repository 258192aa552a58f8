/* SPDX-License-Identifier: Apache-2.0 */
/* What numbers on the wire are called, in the specifications' words. Any thread. */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* "VHOST_USER_SET_FEATURES"; for an unknown number "message 99", in a buffer that the next call
 * of the same thread overwrites.
 */
const char *vhost_request_name(uint32_t request);

/* Names of the set bits, as a new JSON array of strings; unknown ones as "bit 57". NULL when memory
 * is short.
 */
json_t *vhost_features_json(uint64_t features);
json_t *vhost_protocol_features_json(uint64_t features);

/* The same of the device status (virtio 1.2, 2.1). */
json_t *vhost_status_json(uint8_t status);

/* The same as text, separated by blanks, cut to @size bytes; for log lines. Returns @text. */
char *vhost_features_text(uint64_t features, char *text, size_t size);
char *vhost_protocol_features_text(uint64_t features, char *text, size_t size);
