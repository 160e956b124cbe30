/*
 * money.c: between numeric and exact fixed-point money, and a sum of numerics that is exact whatever comes.
 *
 * The layout of a numeric on disk can't change, since pg_upgrade keeps tables as they are; so it is read and written here
 * directly, in a few nanoseconds, where the public functions would need a palloc'd copy and a conversion.  After the varlena
 * header (of 1 or 4 bytes) come, in native byte order:
 *
 *   short form   uint16  10sd dddd dwww wwww    s: negative, d: display scale, w: weight (7 bits, signed)
 *   long form    uint16  0sdd dddd dddd dddd    then int16 weight
 *   special      uint16  11.. .... .... ....    NaN, infinities
 *   then         int16 digits, base 10000, the first one of value digit * 10000^weight; none for zero
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "compat.h"
#include "types/money.h"

#define FORM_MASK			0xC000
#define FORM_SHORT			0x8000
#define FORM_SPECIAL		0xC000
#define LONG_NEGATIVE		0x4000
#define SHORT_NEGATIVE		0x2000
#define SHORT_SCALE_SHIFT	7
#define SHORT_WEIGHT_MASK	0x007F
#define SHORT_WEIGHT_SIGN	0x0040

#define DIGIT_BASE			10000
#define NUMERIC_DIGITS_MAX	10		/* of 2^127 */
#define MONEY_LIMIT			INT64CONST(10000000000000000)	/* 10^12 */

StaticAssertDecl(SLM_MONEY_ONE == DIGIT_BASE, "money has exactly one digit after the point");

/* What stands before the digits. */
typedef struct NumericHead
{
	bool		negative;
	int			weight;
	int			size;			/* bytes that it takes */
} NumericHead;

/* Read the head.  Returns false for NaN, infinities, and what is too short to be a numeric. */
static bool
read_head(const char *data, int len, NumericHead *head)
{
	uint16		bits;
	int16		weight;

	if (len < (int) sizeof(bits))
		return false;
	memcpy(&bits, data, sizeof(bits));

	switch (bits & FORM_MASK)
	{
		case FORM_SPECIAL:
			return false;
		case FORM_SHORT:
			head->negative = (bits & SHORT_NEGATIVE) != 0;
			head->weight = (bits & SHORT_WEIGHT_MASK);
			if (bits & SHORT_WEIGHT_SIGN)
				head->weight -= 2 * SHORT_WEIGHT_SIGN;
			head->size = sizeof(bits);
			return true;
		default:
			if (len < (int) (sizeof(bits) + sizeof(weight)))
				return false;
			memcpy(&weight, data + sizeof(bits), sizeof(weight));
			head->negative = (bits & LONG_NEGATIVE) != 0;
			head->weight = weight;
			head->size = sizeof(bits) + sizeof(weight);
			return true;
	}
}

bool
slm_money_sum_from_numeric(Datum value, int128 *money)
{
	struct varlena *raw = (struct varlena *) DatumGetPointer(value);
	NumericHead head;
	const char *data;
	int			len;
	int			ndigits;
	int			lowest;
	int128		result = 0;

	if (VARATT_IS_EXTENDED(raw) && !VARATT_IS_SHORT(raw))
		return false;			/* compressed or elsewhere: too long to be money */

	data = VARDATA_ANY(raw);
	len = VARSIZE_ANY_EXHDR(raw);
	if (!read_head(data, len, &head))
		return false;

	data += head.size;
	ndigits = (len - head.size) / (int) sizeof(int16);
	if (ndigits > 0)
	{
		/* From 10000^7 down to 10000^-1: nine digits, at most 10^36 - 1 of 1/10000. */
		lowest = head.weight - (ndigits - 1);
		if (head.weight > 7 || lowest < -1)
			return false;
		for (int i = 0; i < ndigits; i++)
		{
			int16		digit;

			memcpy(&digit, data + i * sizeof(digit), sizeof(digit));
			result = result * DIGIT_BASE + digit;
		}
		for (; lowest > -1; lowest--)
			result *= DIGIT_BASE;
	}

	*money = head.negative ? -result : result;
	return true;
}

bool
slm_money_from_numeric(Datum value, SlmMoney *money)
{
	int128		wide;

	if (!slm_money_sum_from_numeric(value, &wide) || wide >= MONEY_LIMIT || wide <= -MONEY_LIMIT)
		return false;
	*money = (SlmMoney) wide;
	return true;
}

/* Decimal text of value / 10^decimals, into buf. */
static char *
decimal_to_text(int128 value, int decimals, char buf[64])
{
	uint128		rest = value < 0 ? -(uint128) value : (uint128) value;
	char	   *p = buf + 63;

	*p = '\0';
	for (int place = 0; rest != 0 || place <= decimals; place++)
	{
		if (place == decimals && decimals > 0)
			*--p = '.';
		*--p = '0' + (int) (rest % 10);
		rest /= 10;
	}
	if (value < 0)
		*--p = '-';
	return p;
}

Numeric
slm_decimal_to_numeric(int128 value, int decimals)
{
	char		buf[64];

	Assert(decimals >= 0 && decimals <= 6);
	if (value >= PG_INT64_MIN && value <= PG_INT64_MAX)
		return int64_div_fast_to_numeric((int64) value, decimals);

	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(decimal_to_text(value, decimals, buf)),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

Size
slm_money_put_numeric(int128 money, char *to)
{
	uint128		rest = money < 0 ? -(uint128) money : (uint128) money;
	uint16		head = FORM_SHORT | (money < 0 ? SHORT_NEGATIVE : 0) | SLM_MONEY_SCALE << SHORT_SCALE_SHIFT;
	int16		digits[NUMERIC_DIGITS_MAX];
	int			ndigits;
	int			weight = -2;	/* of the digit before the lowest */
	int			first;
	Size		size;

	/* from the lowest digit up, into the array from its end; in 64 bits as soon as they do */
	for (first = NUMERIC_DIGITS_MAX; rest > PG_UINT64_MAX; rest /= DIGIT_BASE, weight++)
		digits[--first] = (int16) (rest % DIGIT_BASE);
	for (uint64 low = (uint64) rest; low > 0; low /= DIGIT_BASE, weight++)
		digits[--first] = (int16) (low % DIGIT_BASE);
	ndigits = NUMERIC_DIGITS_MAX - first;
	/* zeroes at the end are not stored */
	while (ndigits > 0 && digits[first + ndigits - 1] == 0)
		ndigits--;
	if (ndigits > 0)
		head |= (uint16) weight & (SHORT_WEIGHT_SIGN | SHORT_WEIGHT_MASK);
	size = VARHDRSZ + sizeof(head) + ndigits * sizeof(int16);
	SET_VARSIZE(to, size);
	memcpy(to + VARHDRSZ, &head, sizeof(head));
	memcpy(to + VARHDRSZ + sizeof(head), &digits[first], ndigits * sizeof(int16));
	return size;
}

Numeric
slm_money_to_numeric(int128 money)
{
	char	   *numeric = palloc(SLM_NUMERIC_MAX);

	(void) slm_money_put_numeric(money, numeric);
	return (Numeric) numeric;
}

Numeric
slm_price_to_numeric(int128 money)
{
	if (money % 100 == 0)
		return slm_decimal_to_numeric(money / 100, 2);
	return slm_decimal_to_numeric(money, SLM_MONEY_SCALE);
}

/* rest = a new copy of value, in context; what was there before is freed. */
static void
replace_rest(SlmSum *sum, Numeric value, MemoryContext context)
{
	Numeric		copy = MemoryContextAlloc(context, VARSIZE(value));

	memcpy(copy, value, VARSIZE(value));
	if (sum->rest != NULL)
		pfree(sum->rest);
	sum->rest = copy;
}

static void
add_to_rest(SlmSum *sum, Numeric value, int64 values, MemoryContext context)
{
	if (sum->rest != NULL)
		value = DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(sum->rest), NumericGetDatum(value)));
	replace_rest(sum, value, context);
	sum->rest_values += values;
}

void
slm_sum_add(SlmSum *sum, Datum value, MemoryContext context)
{
	SlmMoney	money;

	if (slm_money_from_numeric(value, &money))
		sum->fixed += money;
	else
		add_to_rest(sum, DatumGetNumeric(value), 1, context);
}

void
slm_sum_add_sum(SlmSum *sum, const SlmSum *other, MemoryContext context)
{
	sum->fixed += other->fixed;
	if (other->rest != NULL)
		add_to_rest(sum, other->rest, other->rest_values, context);
}

bool
slm_sum_subtract(SlmSum *sum, Datum value, MemoryContext context)
{
	SlmMoney	money;
	Numeric		number;

	if (slm_money_from_numeric(value, &money))
	{
		sum->fixed -= money;
		return true;
	}
	if (sum->rest_values == 1)
	{
		pfree(sum->rest);
		sum->rest = NULL;
		sum->rest_values = 0;
		return true;
	}
	/* What swallowed other values can't give them back; it stays in the sum even where value itself is finite. */
	number = DatumGetNumeric(value);
	if (sum->rest == NULL || numeric_is_nan(sum->rest) || numeric_is_inf(sum->rest) ||
		numeric_is_nan(number) || numeric_is_inf(number))
		return false;
	number = DatumGetNumeric(DirectFunctionCall2(numeric_sub, NumericGetDatum(sum->rest), NumericGetDatum(number)));
	replace_rest(sum, number, context);
	sum->rest_values--;
	return true;
}

int
slm_sum_compare(const SlmSum *a, const SlmSum *b)
{
	if (a->rest == NULL && b->rest == NULL)
		return (a->fixed > b->fixed) - (a->fixed < b->fixed);

	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(slm_sum_to_numeric(a)),
											 NumericGetDatum(slm_sum_to_numeric(b))));
}

Numeric
slm_sum_to_numeric(const SlmSum *sum)
{
	if (sum->rest == NULL)
		return slm_price_to_numeric(sum->fixed);
	if (sum->fixed == 0)
	{
		Numeric		copy = palloc(VARSIZE(sum->rest));

		memcpy(copy, sum->rest, VARSIZE(sum->rest));
		return copy;
	}
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(slm_price_to_numeric(sum->fixed)),
											   NumericGetDatum(sum->rest)));
}

void
slm_sum_clear(SlmSum *sum)
{
	if (sum->rest != NULL)
		pfree(sum->rest);
	memset(sum, 0, sizeof(*sum));
}

void
slm_sum_send(StringInfo buf, const SlmSum *sum)
{
	slm_send_int128(buf, sum->fixed);
	pq_sendint64(buf, sum->rest_values);
	if (sum->rest != NULL)
	{
		bytea	   *bytes = DatumGetByteaPP(DirectFunctionCall1(numeric_send, NumericGetDatum(sum->rest)));

		pq_sendbytes(buf, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	}
}

void
slm_sum_recv(StringInfo buf, SlmSum *sum)
{
	sum->fixed = slm_recv_int128(buf);
	sum->rest_values = pq_getmsgint64(buf);
	sum->rest = NULL;
	if (sum->rest_values < 0)
		ereport(ERROR, errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid serialized sum"),
				errdetail("The number of values is %lld.", (long long) sum->rest_values));
	if (sum->rest_values > 0)
		sum->rest = DatumGetNumeric(DirectFunctionCall3(numeric_recv, PointerGetDatum(buf),
														ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

void
slm_send_int128(StringInfo buf, int128 value)
{
	pq_sendint64(buf, (uint64) (value >> 64));
	pq_sendint64(buf, (uint64) value);
}

int128
slm_recv_int128(StringInfo buf)
{
	uint64		high = pq_getmsgint64(buf);
	uint64		low = pq_getmsgint64(buf);

	return (int128) (((uint128) high << 64) | low);
}
