/* SPDX-License-Identifier: Apache-2.0 */
/* Meters: changes, statistics, configuration. Control thread. */
#pragma once

#include "openflow/session.h"

enum of_error of_handle_meter_mod(struct of_session *s, const struct of_request *r,
				  struct error *err);
enum of_error of_handle_meter_stats(struct of_session *s, const struct of_request *r,
				    struct error *err);
enum of_error of_handle_meter_config(struct of_session *s, const struct of_request *r,
				     struct error *err);
enum of_error of_handle_meter_features(struct of_session *s, const struct of_request *r,
				       struct error *err);
