/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager (systemd), if there is one: sd_notify(3). Any thread. */
#pragma once

/* Tells it how the service goes, "READY=1"; does nothing where there is none. */
void manager_notify(const char *state);
