// SPDX-License-Identifier: Apache-2.0
/* Prints vireo-flow(7) as scdoc reads it: fields and actions from the tables that the switch itself
 * goes by, so that the page says what is there. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "flow/action_private.h"
#include "flow/field.h"

static const char head[] =
	"vireo-flow(7)\n"
	"\n"
	"# NAME\n"
	"\n"
	"vireo-flow - rules, groups and meters of vireo's bridges\n"
	"\n"
	"# DESCRIPTION\n"
	"\n"
	"A bridge has 255 tables of rules. A packet meets table 0 first: of the rules that match it, the one "
	"with the highest priority says what happens, which may be to look it up in a further table. "
	"Rules are written as *ovs-ofctl*(8) has them, a match and behind *actions=* what is to be done:\n"
	"\n"
	"\t*vireo flow add* 'table=0,priority=100,tcp,tp_dst=22,actions=drop'\n"
	"\n"
	"Terms are separated by commas or blanks. A new bridge has one rule, *priority=0 actions=NORMAL*: "
	"a learning switch.\n"
	"\n"
	"# WHAT A RULE IS MADE OF\n"
	"\n"
	"*table=*_N_ (0), *priority=*_N_ (0 to 65535; 32768)\n"
	"\tWhere it is, and which of several rules is met. Rules of the same priority should not overlap.\n"
	"\n"
	"*cookie=*_N_\n"
	"\tA number to find it by. Filters take *cookie=*_N_*/*_MASK_.\n"
	"\n"
	"*idle_timeout=*_S_, *hard_timeout=*_S_\n"
	"\tSeconds without a packet, or since it was made or changed, after which it goes away.\n"
	"\n"
	"*send_flow_rem*, *check_overlap*, *reset_counts*, *no_packet_counts*, *no_byte_counts*\n"
	"\tFlags of OpenFlow.\n"
	"\n"
	"# MATCHES\n"
	"\n"
	"A field is matched as *name=*_value_ or, where it says \"mask\", *name=*_value_*/*_mask_; addresses "
	"also take */*_bits_. Words say which protocol it is, and are needed in front of its fields: *ip*, "
	"*ipv6*, *arp*, *rarp*, *mpls*, *icmp*, *icmp6*, *tcp*, *tcp6*, *udp*, *udp6*, *sctp*, *sctp6*. "
	"*dl_vlan=*_N_ matches a VLAN, *dl_vlan=0xffff* packets without a tag. *tp_src*, *tp_dst*, *nw_src*, "
	"*nw_dst* are the fields of the protocol that is matched.\n"
	"\n";

/* scdoc takes underscores for emphasis. */
static void print_escaped(const char *text)
{
	for (; *text; text++) {
		if (strchr("_*\\<", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void print_name(const char *name)
{
	putchar('*');
	print_escaped(name);
	putchar('*');
}

static void print_field(const struct field *f)
{
	print_name(f->name);
	if (f->other_name) {
		printf(", ");
		print_name(f->other_name);
	}
	printf("\n\t%c", toupper((unsigned char)f->help[0]));
	print_escaped(f->help + 1);
	printf(". %u bits%s%s", f->n_bits, f->maskable ? ", mask" : "",
	       f->writable ? ", can be set" : "");
	if (f->prereq != PREREQ_NONE)
		printf(", needs %s", field_prereq_words(f->prereq));
	printf(". ");
	if (strcmp(field_wire_name(f), f->name))
		print_escaped(field_wire_name(f));
	else
		printf("Not on the wire");
	printf(".\n\n");
}

/* What is between underscores stays emphasized; those inside of names do not begin anything. */
static void print_syntax(const char *text)
{
	for (const char *at = text; *at; at++) {
		bool inside = at > text && (at[-1] >= 'a' && at[-1] <= 'z') && at[1] >= 'a' &&
			      at[1] <= 'z';

		if ((*at == '_' && inside) || *at == '*' || *at == '[' || *at == '\\')
			putchar('\\');
		putchar(*at);
	}
}

static void print_action(const struct action_row *row)
{
	print_syntax(row->syntax);
	printf("\n\t");
	print_syntax(row->help);
	printf(".\n\n");
}

int main(void)
{
	fputs(head, stdout);
	for (unsigned i = 0; i < FIELD_N; i++)
		print_field(&fields[i]);
	printf("# ACTIONS\n\n"
	       "Actions are carried out in the order in which they stand, each on the packet as the ones "
	       "before have left it. *drop* stands for none. Parts of fields are written "
	       "*NXM\\_NX\\_REG0[0..15]* or *reg0[0..15]*; *[]* is all of it.\n\n");
	for (unsigned i = 0; i < n_action_rows; i++)
		if (action_rows[i].help)
			print_action(&action_rows[i]);
	printf("# SEE ALSO\n\n*vireo*(1), *vireod*(8), *ovs-ofctl*(8), *ovs-fields*(7), *ovs-actions*(7)\n");
	return 0;
}
