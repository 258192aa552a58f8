/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of actions share: the table of rows, and the handlers that rows name. For
 * flow/action*.c and the text of groups alone. Any thread.
 */
#pragma once

#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "flow/action.h"

/* Bytes that an action of @len takes in a list; and what actions_open() returns without memory. */
#define ACTION_ROUND(len) (((len) + 7) & ~(size_t)7)
#define ACTIONS_NONE UINT32_MAX

/* Versions, as on the wire. */
#define OF10 1
#define OF13 4
#define OF14 5
#define OF15 6

/* Whose an experimenter's action is. */
#define NX_VENDOR 0x00002320u
#define ONF_VENDOR 0x4f4e4600u

/* An action that has others in it: begins one, returns where it is (ACTIONS_NONE: no memory), and
 * ends it behind what has been appended since. */
uint32_t actions_open(struct action_list *list, enum action_kind kind);
void actions_close(struct action_list *list, uint32_t at);
bool action_is_nest(const struct action *action);

/* Bytes of the actions in a CLONE or a WRITE_ACTIONS. */
static inline size_t action_nested_len(const struct action *action)
{
	return action->len - sizeof(struct action_nested);
}

/* Member by member: what lies between them stays zero, so that lists can be compared as bytes. */
static inline void subfield_copy(struct subfield *to, const struct subfield *from)
{
	to->field = from->field;
	to->first = from->first;
	to->n_bits = from->n_bits;
}

/* The low @n bits, at most all 128. */
static inline u128 bits_ones(unsigned n)
{
	return n >= 128 ? ~(u128)0 : ((u128)1 << n) - 1;
}

/* ---- text */

/* Where a list is read from: which actions may stand there. */
enum action_place {
	PLACE_RULE, /* instructions too */
	PLACE_ACTIONS,
	PLACE_SET, /* write_actions */
};

struct action_parse {
	struct action_list *list;
	struct error *err;
	enum action_place place;
	unsigned depth;
	char *tail; /* of name(...)TAIL; a handler that reads it makes it empty */
};

/* Text that grows up to a size; further text is counted only. */
struct action_text {
	char *text;
	size_t size;
	size_t len;
};

/* Append what ovs-ofctl would show. */
void action_text_add(struct action_text *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
void action_text_subfield(struct action_text *out, const struct subfield *sub);
void action_text_field(struct action_text *out, const struct field *field, u128 value, u128 mask);
void action_text_number(struct action_text *out, u128 value); /* 0x... */
void action_text_port(struct action_text *out, uint32_t port);
void action_text_list(struct action_text *out, const uint8_t *bytes, size_t len);

/* Splits the next word from *@text: "name", "name:arg", "name=arg", "name(arg)tail". *@arg and
 * *@tail are never NULL. 0: there is none; 1: one; -EINVAL with a text. Writes into the text. */
int action_text_next(char **text, char **name, char **arg, char **tail, struct error *err);
/* Cuts the next word from *@text as it stands; NULL: there is none. */
char *action_text_word(char **text);
/* Actions in a row, of which it changes the text. 0, -EINVAL, -ENOMEM with a text. */
int action_parse_list(struct action_parse *p, char *text);

/* Numbers, decimal or hex, of at most @max; @what for the text. 0 or -EINVAL. */
int action_parse_number(const char *text, u128 max, const char *what, u128 *out, struct error *err);
int action_parse_u32(const char *text, uint32_t max, const char *what, uint32_t *out,
		     struct error *err);
int action_parse_port(const char *text, uint32_t *port, struct error *err);
int action_parse_subfield(const char *text, struct subfield *sub, struct error *err);
/* "VALUE->SUBFIELD": cuts it, so that @text is VALUE. */
int action_parse_arrow(char *text, char **to, struct error *err);

/* ---- wire */

/* Where a list is read from a message. */
struct action_decode {
	struct action_list *list;
	struct error *err;
	uint8_t version;
	enum action_place place;
	unsigned depth;
};

#define ENCODE_PIECE_MAX 64 /* bytes that are appended at once */

/* Where a message is written to. */
struct action_encode {
	uint8_t **bytes;
	size_t *n, *size;
	uint8_t version;
	bool failed;
	bool too_long; /* why: one that is longer than the wire can say */
	uint8_t nowhere[ENCODE_PIECE_MAX];
};

/* Actions in a row, at @p. */
enum of_error action_decode_list(struct action_decode *d, const uint8_t *p, size_t len);
void action_encode_list(struct action_encode *e, const uint8_t *bytes, size_t len);
/* OFERR_ACT_TOO_MANY, for a list that cannot grow. */
enum of_error action_no_room(struct error *err);
/* Where a peer's port is; 16 bits. */
uint32_t action_port16(uint16_t port);
/* Whether 32 bits are a port. */
bool action_port_valid(uint32_t port);

/* @len zeroed bytes more, at most ENCODE_PIECE_MAX; never NULL: when memory is short, they lead
 * nowhere. */
uint8_t *action_encode_bytes(struct action_encode *e, size_t len);
void action_encode_copy(struct action_encode *e, const uint8_t *bytes, size_t len);
/* An action of @type and @len bytes; a Nicira one: with its subtype. */
uint8_t *action_encode_plain(struct action_encode *e, unsigned type, size_t len);
uint8_t *action_encode_nx(struct action_encode *e, unsigned subtype, size_t len);
/* Pads what began at @start with zeros to a multiple of 8, and writes its length there. */
void action_encode_end(struct action_encode *e, size_t start);

/* Value and mask of write_metadata: 16 bytes. */
void action_set_metadata(struct action_metadata *a, const uint8_t *p);
void action_put_metadata(const struct action_metadata *a, uint8_t *p);

/* Values of @n bytes, at most 16. */
u128 action_load(const uint8_t *p, size_t n);
void action_store(uint8_t *p, size_t n, u128 value);

/* The part of a field that Nicira's actions name by a header, a first bit and a number of bits. */
enum of_error action_decode_subfield(const struct action_decode *d, uint32_t header, unsigned first,
				     unsigned n_bits, struct subfield *sub);
/* The same, of one to be written to. */
enum of_error action_decode_to(const struct action_decode *d, uint32_t header, unsigned first,
			       unsigned n_bits, struct subfield *sub);
/* What Nicira's actions call a field, whatever the version. */
uint32_t action_nx_header(const struct subfield *sub);

/* The first bit and the number of bits, in 16 bits of Nicira's actions. */
static inline unsigned ofs_first(uint16_t word)
{
	return word >> 6;
}

/* From 1 on. */
static inline unsigned ofs_n_bits(uint16_t word)
{
	return (word & 0x3fu) + 1;
}

/* Both of them; at most 64 bits. */
static inline uint16_t ofs_word(const struct subfield *sub)
{
	return (uint16_t)(sub->first << 6 | (sub->n_bits - 1));
}

/* ---- check */

struct action_check {
	struct match match; /* what is known of the packet at this point */
	bool known;	    /* false: nothing, and nothing is required */
	bool set;	    /* of an action set, which is carried out elsewhere */
	const struct action_limits *limits;
	struct error *err;
};

/* Actions in a row, of which each changes what is known for those behind it. */
enum of_error action_check_list(struct action_check *c, const uint8_t *bytes, size_t len);

/* ---- rows */

/* Whose number of a row it is: nobody's, OpenFlow 1.0's, that of 1.1 and later, Nicira's, the
 * ONF's. */
enum action_space { SPACE_NONE, SPACE_OF10, SPACE_OF13, SPACE_NX, SPACE_ONF };

struct action_row;

/* Handlers: of the text behind the name, to text, of @len bytes at @p with their header, to a
 * message, and of what is known of the packet. */
typedef int action_parse_fn(struct action_parse *p, const struct action_row *row, char *arg);
typedef void action_print_fn(struct action_text *out, const struct action *action);
typedef enum of_error action_decode_fn(struct action_decode *d, const struct action_row *row,
				       const uint8_t *p, size_t len);
typedef void action_encode_fn(struct action_encode *e, const struct action *action);
typedef enum of_error action_check_fn(struct action_check *c, const struct action *action);

/* One for each way to write an action, in text or on the wire. The first of a kind says how it is
 * shown, sent and checked. */
struct action_row {
	enum action_kind kind;
	int field; /* that the name or the number stands for */
	/* text */
	const char *name; /* NULL: this row is for the wire only */
	action_parse_fn *parse;
	action_print_fn *print;
	/* wire */
	enum action_space space;
	uint16_t number;
	uint16_t len; /* in bytes, or the least with @more */
	bool more;
	uint8_t since, until; /* versions; 0: any */
	action_decode_fn *decode;
	action_encode_fn *encode;
	action_check_fn *check;
	/* for the manual, in scdoc's markup */
	const char *syntax, *help;
};

/* All rows, in the order of the manual; a name or a number is looked up in it. */
extern const struct action_row action_rows[];
extern const unsigned n_action_rows;

/* Whether all stand in the order in which they are carried out, none twice. 0, or -EINVAL. */
int action_check_order(const struct action_list *list, struct error *err);

/* The first row of a kind. */
const struct action_row *action_row(unsigned kind);
/* Which cannot stand among others; ACTION_METER can (OpenFlow 1.5). */
bool action_is_instruction(unsigned kind);

/* ---- handlers */

#define ACTION_IDS_MAX 64 /* controllers of a dec_ttl */
#define ACTION_MEMBERS_MAX 2048
#define ACTION_NOTE_MAX 4094 /* no padding behind it on the wire */
#define ACTION_CLAUSES_MIN 2
#define ACTION_CLAUSES_MAX 64

/* Each is for the rows of flow/action_table.c that name it. */
action_parse_fn action_parse_output, action_parse_controller, action_parse_enqueue,
	action_parse_set_queue, action_parse_group, action_parse_resubmit, action_parse_goto,
	action_parse_bare, action_parse_nest, action_parse_set_field, action_parse_load,
	action_parse_mod, action_parse_move, action_parse_stack, action_parse_vlan,
	action_parse_set_vlan, action_parse_dec_ttl, action_parse_metadata, action_parse_check_len,
	action_parse_learn, action_parse_multipath, action_parse_bundle, action_parse_conjunction,
	action_parse_note, action_parse_fin_timeout, action_parse_refused;
action_print_fn action_print_output, action_print_output_reg, action_print_controller,
	action_print_enqueue, action_print_set_queue, action_print_group, action_print_resubmit,
	action_print_goto, action_print_nest, action_print_set_field, action_print_move,
	action_print_stack, action_print_vlan, action_print_dec_ttl, action_print_metadata,
	action_print_check_len, action_print_learn, action_print_multipath, action_print_bundle,
	action_print_conjunction, action_print_note, action_print_fin_timeout;

/* ---- what text and wire have in common: tests of arguments, and actions made of them */

/* Pairs of hex digits, with or without points between them, at most @max. */
int action_parse_hex(const char *text, uint8_t *bytes, size_t max, size_t *n, struct error *err);
void action_text_hex(struct action_text *out, const uint8_t *bytes, size_t n);

/* Whether a number may stand in an action. */
bool action_can_truncate(uint32_t port);
bool action_reason_valid(unsigned reason);
bool action_tpid_valid(unsigned tpid);
bool action_mpls_valid(unsigned ethertype);
bool action_hash_valid(unsigned hash);
bool action_multipath_valid(unsigned algorithm);
bool action_bundle_valid(unsigned algorithm);
bool action_links_fit(const struct subfield *to, unsigned max_link);
/* Whether it is no more than an output to the controller. */
bool action_controller_plain(const struct action_controller *c);

/* Each is for the rows of flow/action_table.c that name it. */
action_decode_fn action_decode_output10, action_decode_output13, action_decode_truncate,
	action_decode_output_reg, action_decode_controller, action_decode_controller2,
	action_decode_enqueue, action_decode_number, action_decode_bare, action_decode_resubmit,
	action_decode_clone, action_decode_set_field, action_decode_reg_load,
	action_decode_reg_load2, action_decode_mod, action_decode_move, action_decode_copy_field,
	action_decode_stack, action_decode_vlan, action_decode_dec_ttl, action_decode_metadata,
	action_decode_check_len, action_decode_learn, action_decode_multipath, action_decode_bundle,
	action_decode_conjunction, action_decode_note, action_decode_fin_timeout,
	action_decode_refused;
action_encode_fn action_encode_output, action_encode_output_reg, action_encode_controller,
	action_encode_enqueue, action_encode_number, action_encode_resubmit, action_encode_goto,
	action_encode_clone, action_encode_set_field, action_encode_move, action_encode_stack,
	action_encode_vlan, action_encode_dec_ttl, action_encode_metadata, action_encode_check_len,
	action_encode_learn, action_encode_multipath, action_encode_bundle,
	action_encode_conjunction, action_encode_note, action_encode_fin_timeout,
	action_encode_bare;
action_check_fn action_check_output, action_check_output_reg, action_check_controller,
	action_check_enqueue, action_check_set_field, action_check_move, action_check_vlan,
	action_check_group, action_check_stack, action_check_learn, action_check_multipath,
	action_check_bundle, action_check_check_len, action_check_nest, action_check_meter,
	action_check_goto;

/* All bits of a field that can be written. */
u128 action_field_full(const struct field *field);
bool action_value_valid(const struct field *field, u128 value, u128 mask);
/* The next piece of at most 64 neighbouring bits of what is left in *@mask; false: none. */
bool action_next_load(const struct action_set_field *a, u128 *mask, struct subfield *to,
		      uint64_t *value);

/* 0 or -ENOMEM. */
int action_append_controller(struct action_list *list, const struct action_controller *head,
			     const uint8_t *userdata);
int action_append_set(struct action_list *list, const struct field *field, u128 value, u128 mask,
		      enum set_style style);
int action_append_vlan(struct action_list *list, enum action_kind kind, unsigned value);
int action_append_ids(struct action_list *list, const uint16_t *ids, unsigned n);
int action_append_note(struct action_list *list, const uint8_t *bytes, size_t n);
/* NULL when memory is short. */
struct action_bundle *action_append_bundle(struct action_list *list, unsigned n_ports);
struct learn_spec *action_learn_add(struct action_list *list, uint32_t at);
