// SPDX-License-Identifier: Apache-2.0
/* TAP devices that outlive a process: as long as somebody holds their descriptors, the kernel keeps
 * them, their addresses and their carrier.
 */
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/compiler.h"
#include "port/tap_device.h"

#define FDS_AT_ONCE 8 /* under one key */

/* What a part of a port's descriptors is held under: 0 is control and monitor, then queues. */
static void key_of(const char *port, unsigned part, char key[KEEP_KEY_MAX])
{
	snprintf(key, KEEP_KEY_MAX, "tap/%s/%u", port, part);
}

static unsigned n_parts(unsigned n_queues)
{
	return 1 + (n_queues + FDS_AT_ONCE - 1) / FDS_AT_ONCE;
}

void tap_device_hold(const struct tap_device *dev, struct keep *keep, const char *port)
{
	const int both[] = { dev->control, dev->monitor };
	char key[KEEP_KEY_MAX];

	key_of(port, 0, key);
	keep->hold(keep, key, both, 2);
	for (unsigned i = 0; i < dev->n_queues; i += FDS_AT_ONCE) {
		key_of(port, 1 + i / FDS_AT_ONCE, key);
		keep->hold(keep, key, &dev->queues[i],
			   min(dev->n_queues - i, (unsigned)FDS_AT_ONCE));
	}
}

static void release(unsigned n_queues, struct keep *keep, const char *port)
{
	char key[KEEP_KEY_MAX];

	for (unsigned part = 0; part < n_parts(n_queues); part++) {
		key_of(port, part, key);
		keep->release(keep, key);
	}
}

void tap_device_release(const struct tap_device *dev, struct keep *keep, const char *port)
{
	release(dev->n_queues, keep, port);
}

/* Whether the queues are as @spec wants them; finds out which device it is. */
static bool matches(struct tap_device *dev, const struct tap_spec *spec)
{
	struct ifreq ifr = { .ifr_flags = 0 };

	if (dev->n_queues != spec->n_queues || ioctl(dev->queues[0], TUNGETIFF, &ifr) < 0 ||
	    !(ifr.ifr_flags & IFF_VNET_HDR) == spec->net_header)
		return false;
	/* the same member of a union holds flags and index */
	if (ioctl(dev->control, SIOCGIFINDEX, &ifr) < 0)
		return false;
	dev->ifindex = ifr.ifr_ifindex;
	return true;
}

bool tap_device_take(struct tap_device *dev, const struct tap_spec *spec, struct keep *keep,
		     const char *port)
{
	char key[KEEP_KEY_MAX];
	int both[2];
	unsigned n;

	*dev = (struct tap_device){ .control = -1, .monitor = -1 };
	key_of(port, 0, key);
	n = keep->take(keep, key, both, 2);
	if (n > 0)
		dev->control = both[0];
	if (n > 1)
		dev->monitor = both[1];
	for (unsigned part = 1; part < n_parts(spec->n_queues); part++) {
		key_of(port, part, key);
		dev->n_queues +=
			keep->take(keep, key, &dev->queues[dev->n_queues],
				   min(TAP_QUEUES_MAX - dev->n_queues, (unsigned)FDS_AT_ONCE));
	}
	if (n == 2 && matches(dev, spec))
		return true;
	/* as long as a part of it is held there is a device of that name */
	if (n || dev->n_queues)
		release(spec->n_queues, keep, port);
	tap_device_close(dev);
	return false;
}
