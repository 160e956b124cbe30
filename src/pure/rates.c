/*
 * rates.c: prices in other currencies than the shop's.
 */
#include "pure/rates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pure/assert.h"
#include "pure/interner.h"

/* Numbers of a line: two times, a rate, and what stands between. */
#define LONGEST_LINE	(SLM_MAX_CURRENCY + 2 * 20 + 24 + 8)

/* --- numbers --- */

bool
slm_rate_apply(SlmRateValue rate, SlmMoney *price)
{
	/* below 10^16 * 10^22 and a half: 10^38 is less than 2^127 */
	SlmRateValue product = (SlmRateValue) *price * rate + SLM_RATE_ONE / 2;

	SLM_ASSERT(*price >= 0 && *price < SLM_PRICE_LIMIT && rate < SLM_RATE_LIMIT);
	product /= SLM_RATE_ONE;
	if (product >= (SlmRateValue) SLM_PRICE_LIMIT)
		return false;
	*price = (SlmMoney) product;
	return true;
}

bool
slm_rate_parse(SlmSlice text, SlmRateValue *rate)
{
	SlmRateValue value = 0;
	int			decimals = -1;
	bool		any = false;

	for (uint32_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];

		if (c == '.' && decimals < 0)
		{
			decimals = 0;
			continue;
		}
		if (c < '0' || c > '9' || decimals == SLM_RATE_DECIMALS || value >= SLM_RATE_LIMIT)
			return false;
		value = value * 10 + (unsigned) (c - '0');
		decimals += decimals >= 0;
		any = true;
	}
	for (int d = decimals < 0 ? 0 : decimals; d < SLM_RATE_DECIMALS && value < SLM_RATE_LIMIT; d++)
		value *= 10;
	*rate = value;
	return any && value > 0 && value < SLM_RATE_LIMIT;
}

/* As slm_rate_parse() reads it; returns the length. */
static size_t
put_rate(SlmRateValue rate, char *out)
{
	int			len = sprintf(out, "%llu.%012llu", (unsigned long long) (rate / SLM_RATE_ONE), (unsigned long long) (rate % SLM_RATE_ONE));

	while (out[len - 1] == '0')
		len--;
	return (size_t) (len - (out[len - 1] == '.'));
}

/* --- what is known --- */

static int
compare(const SlmRate *rate, const char *currency, SlmTime from)
{
	int			order = strcmp(rate->currency, currency);

	return order != 0 ? order : (rate->from > from) - (rate->from < from);
}

/* How many of the spans begin at the time, or before it, or are of an earlier currency. */
static uint32_t
place_of(const SlmRates *rates, const char *currency, SlmTime time)
{
	uint32_t	low = 0;
	uint32_t	high = rates->nrates;

	while (low < high)
	{
		uint32_t	middle = low + (high - low) / 2;

		if (compare(&rates->rates[middle], currency, time) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
holds(const SlmRate *rate, const char *currency, SlmTime time)
{
	return time >= rate->from && time < rate->until && strcmp(rate->currency, currency) == 0;
}

static const SlmRate *
find_known(SlmRates *rates, const char *currency, SlmTime time)
{
	uint32_t	n;

	if (rates->last < rates->nrates && holds(&rates->rates[rates->last], currency, time))
		return &rates->rates[rates->last];
	n = place_of(rates, currency, time);
	if (n == 0 || !holds(&rates->rates[n - 1], currency, time))
		return NULL;
	rates->last = n - 1;
	return &rates->rates[n - 1];
}

/* Add a span that holds a time which none of the known ones does: as far as they leave room.  NULL if out of memory. */
static const SlmRate *
add(SlmRates *rates, const SlmRate *rate, SlmTime time)
{
	uint32_t	n = place_of(rates, rate->currency, time);
	const SlmRate *known = rates->rates;
	SlmRate		cut = *rate;

	SLM_ASSERT(holds(rate, rate->currency, time));
	if (n > 0 && strcmp(known[n - 1].currency, cut.currency) == 0 && known[n - 1].until > cut.from)
		cut.from = known[n - 1].until;
	if (n < rates->nrates && strcmp(known[n].currency, cut.currency) == 0 && known[n].from < cut.until)
		cut.until = known[n].from;
	SLM_ASSERT(holds(&cut, cut.currency, time));
	if (!slm_grow((void **) &rates->rates, rates->nrates, &rates->maxrates, sizeof(SlmRate)))
		return NULL;
	memmove(&rates->rates[n + 1], &rates->rates[n], (rates->nrates - n) * sizeof(SlmRate));
	rates->rates[n] = cut;
	rates->nrates++;
	rates->last = n;
	return &rates->rates[n];
}

void
slm_rates_free(SlmRates *rates)
{
	free(rates->rates);
	rates->rates = NULL;
	rates->nrates = rates->maxrates = 0;
}

/* --- conversion --- */

/* In capitals; false if it can't be a code. */
static bool
normalize(SlmSlice text, char out[SLM_MAX_CURRENCY + 1])
{
	if (text.len == 0 || text.len > SLM_MAX_CURRENCY)
		return false;
	for (uint32_t i = 0; i < text.len; i++)
	{
		char		c = text.data[i];

		/* they stand between what is written */
		if (c == ',' || (unsigned char) c < ' ' || c == '*')
			return false;
		out[i] = c >= 'a' && c <= 'z' ? (char) (c - ('a' - 'A')) : c;
	}
	out[text.len] = '\0';
	return true;
}

/* The rate of a code that is not known yet. */
static SlmConversion
look_up(SlmRates *rates, const char *code, SlmTime time, const SlmRate **rate)
{
	SlmRate		found = {.rate = 0};

	if (rates->find == NULL || (rates->has_missing && holds(&rates->missing, code, time)))
		return SLM_CONVERT_NO_RATE;
	if (!rates->find(rates->arg, code, time, &found))
	{
		memcpy(found.currency, code, strlen(code) + 1);
		rates->missing = found;
		rates->has_missing = true;
		return SLM_CONVERT_NO_RATE;
	}
	memcpy(found.currency, code, strlen(code) + 1);
	*rate = add(rates, &found, time);
	return *rate == NULL ? SLM_CONVERT_MEMORY : SLM_CONVERTED;
}

SlmConversion
slm_rates_convert(SlmRates *rates, SlmSlice currency, SlmTime time, SlmMoney *price)
{
	char		code[SLM_MAX_CURRENCY + 1];
	bool		is_code = normalize(currency, code);
	const SlmRate *rate = is_code ? find_known(rates, code, time) : NULL;

	if (rate == NULL && rates->as_is)
	{
		rates->used_as_is = true;
		return SLM_CONVERTED;
	}
	if (rate == NULL)
	{
		SlmConversion outcome = is_code ? look_up(rates, code, time, &rate) : SLM_CONVERT_NO_RATE;

		if (outcome != SLM_CONVERTED)
			return outcome;
	}
	return slm_rate_apply(rate->rate, price) ? SLM_CONVERTED : SLM_CONVERT_TOO_LARGE;
}

/* --- as bytes --- */

char *
slm_rates_write(const SlmRates *rates, size_t *len)
{
	char	   *data;
	size_t		at = 0;

	*len = 0;
	if (rates->nrates == 0 && !rates->used_as_is)
		return NULL;
	data = malloc((size_t) rates->nrates * LONGEST_LINE + 2);
	if (data == NULL)
	{
		*len = SIZE_MAX;
		return NULL;
	}
	for (uint32_t i = 0; i < rates->nrates; i++)
	{
		const SlmRate *rate = &rates->rates[i];

		at += (size_t) sprintf(data + at, "%s,", rate->currency);
		if (rate->from != INT64_MIN)
			at += (size_t) sprintf(data + at, "%lld", (long long) rate->from);
		data[at++] = ',';
		if (rate->until != INT64_MAX)
			at += (size_t) sprintf(data + at, "%lld", (long long) rate->until);
		data[at++] = ',';
		at += put_rate(rate->rate, data + at);
		data[at++] = '\n';
	}
	if (rates->used_as_is)
		data[at++] = '*';
	*len = at;
	return data;
}

/* Cut what stands before the next character c off *rest; false if there is no such. */
static bool
cut(SlmSlice *rest, char c, SlmSlice *part)
{
	const char *end = rest->len == 0 ? NULL : memchr(rest->data, c, rest->len);

	if (end == NULL)
		return false;
	*part = (SlmSlice) {rest->data, (uint32_t) (end - rest->data)};
	*rest = (SlmSlice) {end + 1, rest->len - part->len - 1};
	return true;
}

static bool
read_time(SlmSlice text, SlmTime if_empty, SlmTime *time)
{
	char		copy[24];
	char	   *end;

	*time = if_empty;
	if (text.len == 0)
		return true;
	if (text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*time = strtoll(copy, &end, 10);
	return *end == '\0';
}

/* One line: false if it is none, or out of memory. */
static bool
read_line(SlmRates *rates, SlmSlice line)
{
	SlmRate		rate;
	SlmSlice	currency,
				from,
				until;

	return cut(&line, ',', &currency) && cut(&line, ',', &from) && cut(&line, ',', &until) && normalize(currency, rate.currency) &&
		read_time(from, INT64_MIN, &rate.from) && read_time(until, INT64_MAX, &rate.until) && rate.from < rate.until &&
		slm_rate_parse(line, &rate.rate) && find_known(rates, rate.currency, rate.from) == NULL && add(rates, &rate, rate.from) != NULL;
}

bool
slm_rates_read(SlmRates *rates, const char *data, size_t len)
{
	SlmSlice	rest = {data, (uint32_t) len};
	SlmSlice	line;

	while (cut(&rest, '\n', &line))
	{
		if (!read_line(rates, line))
			return false;
	}
	if (rest.len == 0)
		return true;
	rates->as_is = rates->used_as_is = true;
	return rest.len == 1 && *rest.data == '*';
}
