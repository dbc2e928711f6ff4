/* The median of some sensors' readings. Each sensor is read by the effect `reading.take`.
 *
 * Input:  {"sensors":[4,8,15]}
 * Output: {"count":3,"median":20}
 *
 * No libc and no generated code: what the component model asks of a guest's memory is the first half of this file.
 */

typedef unsigned int u32;
typedef unsigned char u8;

#define HOST "prunella:node/host@1.0.0"
#define IMPORT(name) __attribute__((import_module(HOST), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

/* A string as it crosses the border: a pointer and its length in bytes. */
typedef struct { const char *at; u32 bytes; } text;

IMPORT("log") void host_log(const char *at, u32 bytes);
IMPORT("call") void host_call(const char *effect, u32 effect_bytes, const char *request, u32 request_bytes, text *answer);

/* Memory is handed out once and never taken back: an instance lives for one task. */
extern u8 __heap_base;
static u32 used;

EXPORT("cabi_realloc") void *cabi_realloc(void *old, u32 old_bytes, u32 align, u32 bytes) {
  u32 at = ((u32)&__heap_base + used + align - 1) & ~(align - 1);
  used = at + bytes - (u32)&__heap_base;
  u32 missing = at + bytes - __builtin_wasm_memory_size(0) * 65536;
  if ((int)missing > 0 && __builtin_wasm_memory_grow(0, (missing + 65535) / 65536) == (u32)-1) __builtin_trap();
  for (u32 i = 0; i < old_bytes && i < bytes; i++) ((u8 *)at)[i] = ((u8 *)old)[i];
  return (void *)at;
}

/* result<string, node-error> as it lies in memory. */
typedef struct { u32 failed; union { text output; struct { text code, message; } error; } as; } result;

static result answer;

static result *ok(text output) {
  answer.failed = 0;
  answer.as.output = output;
  return &answer;
}

#define TEXT(literal) ((text){literal, sizeof literal - 1})

static result *failed(text code, text message) {
  answer.failed = 1;
  answer.as.error.code = code;
  answer.as.error.message = message;
  return &answer;
}

/* The node itself. */

#define MOST 100

static char line[256];
static u32 length;

static void begin(void) { length = 0; }

static void put(const char *text) {
  while (*text && length < sizeof line) line[length++] = *text++;
}

static void put_int(int value) {
  char digits[12];
  u32 n = 0;
  u32 rest = value < 0 ? -(u32)value : (u32)value;
  if (value < 0) put("-");
  do digits[n++] = '0' + rest % 10; while (rest /= 10);
  while (n && length < sizeof line) line[length++] = digits[--n];
}

/* The next number of `from`, at or after `*at`; 0 when there is none. */
static int next_int(text from, u32 *at, int *value) {
  while (*at < from.bytes && (from.at[*at] < '0' || from.at[*at] > '9')) ++*at;
  if (*at == from.bytes) return 0;
  int negative = *at > 0 && from.at[*at - 1] == '-';
  u32 sum = 0;
  while (*at < from.bytes && from.at[*at] >= '0' && from.at[*at] <= '9') sum = sum * 10 + (from.at[(*at)++] - '0');
  *value = negative ? -(int)sum : (int)sum;
  return 1;
}

/* What the world says of one sensor. */
static int reading(int sensor) {
  begin();
  put("{\"sensor\":");
  put_int(sensor);
  put("}");
  text taken;
  host_call("reading.take", 12, line, length, &taken);
  u32 at = 0;
  int value = 0;
  next_int(taken, &at, &value);
  return value;
}

EXPORT("run") result *run(const char *at, u32 bytes) {
  text input = {at, bytes};
  int readings[MOST];
  u32 count = 0, next = 0;
  int sensor;
  while (next_int(input, &next, &sensor)) {
    if (count == MOST) return failed(TEXT("too_many"), TEXT("more than 100 sensors"));
    int value = reading(sensor);
    u32 i = count++;
    for (; i > 0 && readings[i - 1] > value; i--) readings[i] = readings[i - 1];
    readings[i] = value;
  }
  if (count == 0) return failed(TEXT("no_sensors"), TEXT("there is no sensor to read"));
  host_log("all sensors read", 16);
  begin();
  put("{\"count\":");
  put_int((int)count);
  put(",\"median\":");
  put_int(readings[count / 2]);
  put("}");
  return ok((text){line, length});
}
