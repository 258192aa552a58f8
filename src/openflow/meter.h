/* SPDX-License-Identifier: Apache-2.0 */
/* Meters: changes, statistics, configuration. Control thread. */
#pragma once

#include "openflow/session.h"

/* Adds, changes or deletes a meter. */
enum of_error of_handle_meter_mod(struct of_session *s, const struct of_request *r,
				  struct error *err);
/* What one meter, or all, have counted. */
enum of_error of_handle_meter_stats(struct of_session *s, const struct of_request *r,
				    struct error *err);
/* What they are. */
enum of_error of_handle_meter_config(struct of_session *s, const struct of_request *r,
				     struct error *err);
/* What meters can do. */
enum of_error of_handle_meter_features(struct of_session *s, const struct of_request *r,
				       struct error *err);
