// SPDX-License-Identifier: Apache-2.0
/* The rows of all actions and instructions: how each is called, numbered, read, shown, sent and
 * checked. Numbers are those of OpenFlow 1.0.0 (5.2.4), of 1.3 to 1.5 (1.5.1, 7.2.6), and of
 * Nicira's and the ONF's extensions; names those of ovs-actions(7). */
#include "flow/action_private.h"

#define TEXT(word, how) .name = (word), .parse = action_parse_##how
#define PRINT(how) .print = action_print_##how
#define READ(where, what, bytes, how) \
	.space = SPACE_##where, .number = (what), .len = (bytes), .decode = action_decode_##how
#define WRITE(how) .encode = action_encode_##how
#define CHECK(how) .check = action_check_##how
#define MORE .more = true
#define MAN(how, what) .syntax = (how), .help = (what)
#define OF(id) .field = FIELD_##id
#define UNTIL14 .until = OF14
#define SINCE15 .since = OF15

/* clang-format off */
const struct action_row action_rows[] = {
	{ ACTION_OUTPUT, TEXT("output", output), PRINT(output), READ(OF10, 0, 8, output10), WRITE(output), CHECK(output),
		MAN("_PORT_, output:_PORT_, output(port=_PORT_,max_len=_N_), output:_FIELD_", "Sends the packet to a port, by number or as IN_PORT, ALL, FLOOD, NORMAL, LOCAL, CONTROLLER; at most so many bytes of it; or to the port that a field names") },
	{ ACTION_OUTPUT, READ(OF13, 0, 16, output13) },
	{ ACTION_OUTPUT, .name = "output", READ(NX, 39, 16, truncate) },
	{ ACTION_OUTPUT_REG, .name = "output", PRINT(output_reg), READ(NX, 15, 24, output_reg), WRITE(output_reg), CHECK(output_reg) },
	{ ACTION_OUTPUT_REG, READ(NX, 32, 24, output_reg) },
	{ ACTION_CONTROLLER, TEXT("controller", controller), PRINT(controller), READ(NX, 20, 16, controller), WRITE(controller), CHECK(controller),
		MAN("controller(max_len=_N_,reason=_WHY_,id=_N_,userdata=_HEX.HEX_)", "Sends a copy to the controllers with this id, at most so many bytes") },
	{ ACTION_CONTROLLER, READ(NX, 37, 16, controller2), MORE },
	{ ACTION_ENQUEUE, TEXT("enqueue", enqueue), PRINT(enqueue), READ(OF10, 11, 16, enqueue), WRITE(enqueue), CHECK(enqueue),
		MAN("enqueue:_PORT_:_QUEUE_", "Sends it to a queue of a port; ports have no queues yet") },
	{ ACTION_SET_QUEUE, TEXT("set_queue", set_queue), PRINT(set_queue), READ(OF13, 21, 8, number), WRITE(number),
		MAN("set_queue:_QUEUE_", "The queue of outputs that follow; ports have no queues yet") },
	{ ACTION_SET_QUEUE, READ(NX, 4, 16, number) },
	{ ACTION_POP_QUEUE, TEXT("pop_queue", bare), READ(NX, 5, 16, bare), WRITE(bare),
		MAN("pop_queue", "The queue is again what it was") },

	{ ACTION_SET_FIELD, TEXT("set_field", set_field), PRINT(set_field), READ(OF13, 25, 16, set_field), MORE, WRITE(set_field), CHECK(set_field),
		MAN("set_field:_VALUE_[/_MASK_]->_FIELD_", "Sets a field, or some of its bits") },
	{ ACTION_SET_FIELD, TEXT("load", load), READ(NX, 7, 24, reg_load), UNTIL14,
		MAN("load:_VALUE_->_FIELD_[A..B]", "Sets bits of a field") },
	{ ACTION_SET_FIELD, READ(NX, 33, 24, reg_load2), UNTIL14, MORE },
	{ ACTION_SET_FIELD, TEXT("mod_dl_src", mod), OF(eth_src), READ(OF10, 4, 16, mod),
		MAN("mod_dl_src:_MAC_", "Sets the Ethernet source") },
	{ ACTION_SET_FIELD, TEXT("mod_dl_dst", mod), OF(eth_dst), READ(OF10, 5, 16, mod),
		MAN("mod_dl_dst:_MAC_", "Sets the Ethernet destination") },
	{ ACTION_SET_FIELD, TEXT("mod_nw_src", mod), OF(ip_src), READ(OF10, 6, 8, mod),
		MAN("mod_nw_src:_IP_", "Sets the IPv4 source") },
	{ ACTION_SET_FIELD, TEXT("mod_nw_dst", mod), OF(ip_dst), READ(OF10, 7, 8, mod),
		MAN("mod_nw_dst:_IP_", "Sets the IPv4 destination") },
	{ ACTION_SET_FIELD, TEXT("mod_nw_tos", mod), OF(ip_dscp), READ(OF10, 8, 8, mod),
		MAN("mod_nw_tos:_TOS_", "Sets the DSCP, as the upper six bits of a byte") },
	{ ACTION_SET_FIELD, TEXT("mod_nw_ecn", mod), OF(nw_ecn),
		MAN("mod_nw_ecn:_ECN_", "Sets the ECN bits") },
	{ ACTION_SET_FIELD, TEXT("mod_nw_ttl", mod), OF(nw_ttl), READ(OF13, 23, 8, mod),
		MAN("mod_nw_ttl:_TTL_", "Sets the TTL") },
	{ ACTION_SET_FIELD, TEXT("mod_tp_src", mod), OF(tcp_src), READ(OF10, 9, 8, mod),
		MAN("mod_tp_src:_PORT_", "Sets the source port of TCP, UDP or SCTP") },
	{ ACTION_SET_FIELD, TEXT("mod_tp_dst", mod), OF(tcp_dst), READ(OF10, 10, 8, mod),
		MAN("mod_tp_dst:_PORT_", "Sets the destination port of TCP, UDP or SCTP") },
	{ ACTION_SET_FIELD, TEXT("set_tunnel", mod), OF(tun_id), READ(NX, 2, 16, mod),
		MAN("set_tunnel:_ID_", "Sets tun_id") },
	{ ACTION_SET_FIELD, TEXT("set_tunnel64", mod), OF(tun_id), READ(NX, 9, 24, mod),
		MAN("set_tunnel64:_ID_", "The same, 64 bits") },
	{ ACTION_SET_FIELD, TEXT("set_mpls_label", mod), OF(mpls_label), READ(NX, 30, 16, mod),
		MAN("set_mpls_label:_LABEL_", "Sets the outermost label") },
	{ ACTION_SET_FIELD, TEXT("set_mpls_tc", mod), OF(mpls_tc), READ(NX, 31, 16, mod),
		MAN("set_mpls_tc:_TC_", "Sets its traffic class") },
	{ ACTION_SET_FIELD, TEXT("set_mpls_ttl", mod), OF(mpls_ttl), READ(NX, 25, 16, mod),
		MAN("set_mpls_ttl:_TTL_", "Sets its TTL") },
	{ ACTION_SET_FIELD, .name = "set_mpls_ttl", OF(mpls_ttl), READ(OF13, 15, 8, mod) },
	{ ACTION_SET_FIELD, TEXT("set_vlan_vid", set_vlan), OF(vlan_vid),
		MAN("set_vlan_vid:_VID_", "Sets the VLAN of a tag that is there") },
	{ ACTION_SET_FIELD, TEXT("set_vlan_pcp", set_vlan), OF(vlan_pcp),
		MAN("set_vlan_pcp:_PCP_", "Sets the priority of a tag that is there") },
	{ ACTION_MOVE, TEXT("move", move), PRINT(move), READ(NX, 6, 24, move), UNTIL14, WRITE(move), CHECK(move),
		MAN("move:_FIELD_[A..B]->_FIELD_[C..D]", "Copies bits") },
	{ ACTION_MOVE, READ(OF13, 28, 24, copy_field), SINCE15 },
	{ ACTION_MOVE, READ(ONF, 3200, 32, copy_field), UNTIL14 },

	{ ACTION_PUSH_VLAN, TEXT("push_vlan", vlan), PRINT(vlan), READ(OF13, 17, 8, vlan), WRITE(vlan), CHECK(vlan),
		MAN("push_vlan:_TPID_", "Puts a tag in front, 0x8100 or 0x88a8") },
	{ ACTION_POP_VLAN, TEXT("strip_vlan", bare), READ(OF10, 3, 8, bare), WRITE(bare), CHECK(vlan),
		MAN("strip_vlan", "Takes the outermost tag off") },
	{ ACTION_POP_VLAN, TEXT("pop_vlan", bare), READ(OF13, 18, 8, bare),
		MAN("pop_vlan", "The same") },
	{ ACTION_SET_VLAN_VID, TEXT("mod_vlan_vid", vlan), PRINT(vlan), READ(OF10, 1, 8, vlan), WRITE(vlan), CHECK(vlan),
		MAN("mod_vlan_vid:_VID_", "Sets the VLAN, in a tag that is added if there is none") },
	{ ACTION_SET_VLAN_PCP, TEXT("mod_vlan_pcp", vlan), PRINT(vlan), READ(OF10, 2, 8, vlan), WRITE(vlan), CHECK(vlan),
		MAN("mod_vlan_pcp:_PCP_", "Sets the priority, in a tag that is added if there is none") },
	{ ACTION_PUSH_MPLS, TEXT("push_mpls", vlan), PRINT(vlan), READ(OF13, 19, 8, vlan), WRITE(vlan), CHECK(vlan),
		MAN("push_mpls:_TYPE_", "Puts a label in front, 0x8847 or 0x8848") },
	{ ACTION_PUSH_MPLS, .name = "push_mpls", READ(NX, 23, 16, vlan) },
	{ ACTION_POP_MPLS, TEXT("pop_mpls", vlan), PRINT(vlan), READ(OF13, 20, 8, vlan), WRITE(vlan), CHECK(vlan),
		MAN("pop_mpls:_TYPE_", "Takes the outermost label off; _TYPE_ is the EtherType of what is behind it") },
	{ ACTION_POP_MPLS, .name = "pop_mpls", READ(NX, 24, 16, vlan) },
	{ ACTION_DEC_TTL, TEXT("dec_ttl", dec_ttl), PRINT(dec_ttl), READ(OF13, 24, 8, dec_ttl), WRITE(dec_ttl), CHECK(vlan),
		MAN("dec_ttl, dec_ttl(_ID_,...)", "One less TTL; of a packet that has none left, controllers (with these ids) get a copy, and it goes no further") },
	{ ACTION_DEC_TTL, READ(NX, 18, 16, dec_ttl) },
	{ ACTION_DEC_TTL, READ(NX, 21, 16, dec_ttl), MORE },
	{ ACTION_DEC_MPLS_TTL, TEXT("dec_mpls_ttl", bare), READ(OF13, 16, 8, bare), WRITE(bare), CHECK(vlan),
		MAN("dec_mpls_ttl", "The same of the outermost label") },
	{ ACTION_DEC_MPLS_TTL, READ(NX, 26, 16, bare) },

	{ ACTION_GROUP, TEXT("group", group), PRINT(group), READ(OF13, 22, 8, number), WRITE(number), CHECK(group),
		MAN("group:_N_", "Lets a group decide") },
	{ ACTION_GROUP, READ(NX, 40, 16, number) },
	{ ACTION_RESUBMIT, TEXT("resubmit", resubmit), PRINT(resubmit), READ(NX, 1, 16, resubmit), WRITE(resubmit),
		MAN("resubmit(_PORT_,_TABLE_), resubmit(,_TABLE_), resubmit:_PORT_", "Looks the packet up in another table, and goes on behind that") },
	{ ACTION_RESUBMIT, READ(NX, 14, 16, resubmit) },
	{ ACTION_CLONE, TEXT("clone", nest), PRINT(nest), READ(NX, 42, 16, clone), MORE, WRITE(clone), CHECK(nest),
		MAN("clone(_ACTIONS_)", "Does so with a copy") },
	{ ACTION_STACK_PUSH, TEXT("push", stack), PRINT(stack), READ(NX, 27, 24, stack), WRITE(stack), CHECK(stack),
		MAN("push:_FIELD_[A..B]", "Puts bits onto a stack") },
	{ ACTION_STACK_POP, TEXT("pop", stack), PRINT(stack), READ(NX, 28, 24, stack), WRITE(stack), CHECK(stack),
		MAN("pop:_FIELD_[A..B]", "Takes bits from it") },
	{ ACTION_LEARN, TEXT("learn", learn), PRINT(learn), READ(NX, 16, 32, learn), MORE, WRITE(learn), CHECK(learn),
		MAN("learn(table=_N_,priority=_N_,idle_timeout=_S_,hard_timeout=_S_,limit=_N_,delete_learned,_FIELD_[]=_FIELD_[],load:_X_->_FIELD_[],output:_FIELD_[])", "Makes a rule of what this packet is, in force before it leaves") },
	{ ACTION_LEARN, READ(NX, 45, 40, learn), MORE },
	{ ACTION_CONJUNCTION, TEXT("conjunction", conjunction), PRINT(conjunction), READ(NX, 34, 16, conjunction), WRITE(conjunction),
		MAN("conjunction(_ID_,_K_/_N_)", "The rule is one of the k-th of n clauses; where packets meet one of each, conj_id is _ID_") },
	{ ACTION_MULTIPATH, TEXT("multipath", multipath), PRINT(multipath), READ(NX, 10, 32, multipath), WRITE(multipath), CHECK(multipath),
		MAN("multipath(_FIELDS_,_BASIS_,_ALGORITHM_,_N_,_ARG_,_FIELD_[])", "Chooses a number below n by the packet's hash") },
	{ ACTION_BUNDLE, TEXT("bundle", bundle), PRINT(bundle), READ(NX, 12, 32, bundle), MORE, WRITE(bundle), CHECK(bundle),
		MAN("bundle(_FIELDS_,_BASIS_,_ALGORITHM_,ofport,members:_PORT_,...)", "Sends it to one of the ports that are up, by its hash") },
	{ ACTION_BUNDLE, TEXT("bundle_load", bundle), READ(NX, 13, 32, bundle), MORE,
		MAN("bundle_load(_FIELDS_,_BASIS_,_ALGORITHM_,ofport,_FIELD_[],members:_PORT_,...)", "Puts the number of that port into a field") },
	{ ACTION_CHECK_PKT_LARGER, TEXT("check_pkt_larger", check_len), PRINT(check_len), READ(NX, 49, 24, check_len), WRITE(check_len), CHECK(check_len),
		MAN("check_pkt_larger(_N_)->_FIELD_[_BIT_]", "Sets a bit when the packet has more bytes") },
	{ ACTION_NOTE, TEXT("note", note), PRINT(note), READ(NX, 8, 16, note), MORE, WRITE(note),
		MAN("note:_HEX.HEX_", "Does nothing: for whoever reads rules") },
	{ ACTION_EXIT, TEXT("exit", bare), READ(NX, 17, 16, bare), WRITE(bare),
		MAN("exit", "Ends the pipeline for this packet; the action set is forgotten") },
	{ ACTION_FIN_TIMEOUT, TEXT("fin_timeout", fin_timeout), PRINT(fin_timeout), READ(NX, 19, 16, fin_timeout), WRITE(fin_timeout), CHECK(vlan),
		MAN("fin_timeout(idle_timeout=_S_,hard_timeout=_S_)", "A packet with FIN or RST shortens the timeouts of its rule") },

	/* instructions; those of OpenFlow 1.3 are numbered in flow/action_wire.c */
	{ ACTION_METER, TEXT("meter", group), PRINT(group), READ(OF13, 29, 8, number), SINCE15, WRITE(number), CHECK(meter),
		MAN("meter:_N_", "A meter counts it, and may drop it") },
	{ ACTION_CLEAR_ACTIONS, TEXT("clear_actions", bare), WRITE(bare),
		MAN("clear_actions", "Empties the action set") },
	{ ACTION_WRITE_ACTIONS, TEXT("write_actions", nest), PRINT(nest), WRITE(bare), CHECK(nest),
		MAN("write_actions(_ACTIONS_)", "Adds to the action set, which is carried out at the end of the pipeline") },
	{ ACTION_WRITE_METADATA, TEXT("write_metadata", metadata), PRINT(metadata), READ(NX, 22, 32, metadata), WRITE(metadata),
		MAN("write_metadata:_VALUE_[/_MASK_]", "Sets metadata") },
	{ ACTION_GOTO_TABLE, TEXT("goto_table", goto), PRINT(goto), WRITE(goto), CHECK(goto),
		MAN("goto_table:_TABLE_", "Goes on in a later table") },

	/* not supported: known, so that a refusal can tell */
	{ ACTION_KINDS, TEXT("ct", refused), READ(NX, 35, 16, refused), MORE },
	{ ACTION_KINDS, TEXT("nat", refused), READ(NX, 36, 16, refused), MORE },
	{ ACTION_KINDS, TEXT("ct_clear", refused), READ(NX, 43, 16, refused), MORE },
	{ ACTION_KINDS, .name = "resubmit with ct", READ(NX, 44, 16, refused), MORE },
	{ ACTION_KINDS, TEXT("sample", refused), READ(NX, 29, 16, refused), MORE },
	{ ACTION_KINDS, .name = "sample", READ(NX, 38, 16, refused), MORE },
	{ ACTION_KINDS, .name = "sample", READ(NX, 41, 16, refused), MORE },
	{ ACTION_KINDS, TEXT("encap", refused), READ(NX, 46, 16, refused), MORE },
	{ ACTION_KINDS, TEXT("decap", refused), READ(NX, 47, 16, refused), MORE },
	{ ACTION_KINDS, TEXT("dec_nsh_ttl", refused), READ(NX, 48, 16, refused), MORE },
	{ ACTION_KINDS, TEXT("delete_field", refused), READ(NX, 50, 16, refused), MORE },
	{ ACTION_KINDS, TEXT("apply_actions", refused) },
};
/* clang-format on */

const unsigned n_action_rows = ARRAY_SIZE(action_rows);

const struct action_row *action_row(unsigned kind)
{
	for (unsigned i = 0; i < ARRAY_SIZE(action_rows); i++)
		if (action_rows[i].kind == kind)
			return &action_rows[i];
	return NULL;
}

bool action_is_instruction(unsigned kind)
{
	return kind > ACTION_METER && kind < ACTION_KINDS;
}
