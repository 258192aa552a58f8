/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of ports that port_kinds (port/port.h) lists; each is in the file of its name. */
#pragma once

#include "port/port.h"

/* Guests, over a unix socket. */
extern const struct port_ops vhost_user_port_ops;
/* TAP devices of the kernel. */
extern const struct port_ops tap_port_ops;
/* Files of packets. */
extern const struct port_ops pcap_port_ops;
/* One end of a pair that joins two bridges. */
extern const struct port_ops patch_port_ops;
/* In the place of a port that made the switch crash; not listed. */
extern const struct port_ops quarantine_port_ops;
/* Frames from and to a test. */
extern const struct port_ops dummy_port_ops;
