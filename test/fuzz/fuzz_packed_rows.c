/*
 * fuzz_packed_rows.c: blocks of packed rows, of any bytes.  The first byte says whether keys are texts.
 *
 * What is read from bytes is, where it is in order, read again as the same from what is written of it.
 */
#include "fuzz.h"
#include "pure/packed_rows.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char again[65536 * 16];
	SlmPackedReader reader;
	SlmPackedReader second;
	SlmPackedWriter writer;
	SlmPackedRow row;
	SlmPackedRow other;
	SlmPackedRow last = {0};
	static char last_text[SLM_MAX_KEY_BYTES];
	bool		texts = size > 0 && data[0] % 2;
	int			n = 0;
	bool		ordered = true;

	if (size == 0)
		return 0;
	slm_packed_read(&reader, data + 1, size - 1, texts);
	slm_packed_begin(&writer, again, sizeof(again), texts);
	while (ordered && slm_packed_next(&reader, &row) == SLM_PACKED_ROW)
	{
		MUST(row.text.len <= SLM_MAX_KEY_BYTES, "%u", row.text.len);
		ordered = (n == 0 || slm_packed_compare(&last, &row, texts) < 0) && row.gmv < (SlmMoneySum) 1 << 124 && row.gmv > -((SlmMoneySum) 1 << 124);
		if (!ordered || !slm_packed_put(&writer, &row))
			break;
		n++;
		last = row;
		memcpy(last_text, row.text.data, row.text.len);
		last.text.data = last_text;
	}
	slm_packed_read(&reader, data + 1, size - 1, texts);
	slm_packed_read(&second, again, writer.len, texts);
	for (int i = 0; i < n; i++)
	{
		MUST(slm_packed_next(&reader, &row) == SLM_PACKED_ROW && slm_packed_next(&second, &other) == SLM_PACKED_ROW, "row %d", i);
		MUST(slm_packed_compare(&row, &other, texts) == 0 && row.count == other.count && row.gmv == other.gmv, "row %d", i);
	}
	MUST(slm_packed_next(&second, &other) == SLM_PACKED_END, "%d", n);
	return 0;
}
