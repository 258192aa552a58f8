/* SPDX-License-Identifier: Apache-2.0 */
/* Files of ports of kind pcap. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Opens @path to be read, or written (and made if it is not there), with this thread's rights,
 * but not by way of another process's, or our own, files (RESOLVE_NO_MAGICLINKS, Linux 5.6).
 * Returns the fd, or -errno and a text. Any thread; may wait for the file system.
 */
int pcap_file_open(const char *path, bool writes, struct error *err);
