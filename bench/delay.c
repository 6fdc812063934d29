// A link with a delay between two network namespaces: a device in each, and packets carried between
// them so much later. Segmentation is left to the devices, as it is on loopback.
//
// delay NAMESPACE NAMESPACE MICROSECONDS    prints "ready" once the devices (rtt0) are there
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 65600, QUEUE = 8192, AT_ONCE = 64 };
static const long SECOND = 1000000000L;

static int devices[2];
static long delay;

struct packets {
    char *bytes;
    int len[QUEUE];
    long due[QUEUE];
    unsigned head, tail;
};

static void die(const char *what) {
    perror(what);
    exit(1);
}

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static int device_in(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "/var/run/netns/%s", name);
    int space = open(path, O_RDONLY);
    if (space < 0 || setns(space, CLONE_NEWNET)) die(path);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (device < 0) die("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, .ifr_name = "rtt0"};
    if (ioctl(device, TUNSETIFF, &request)) die("TUNSETIFF");
    int header = 10;
    if (ioctl(device, TUNSETVNETHDRSZ, &header)) die("TUNSETVNETHDRSZ");
    if (ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)) die("TUNSETOFFLOAD");
    return device;
}

static char *slot(struct packets *queue, unsigned which) {
    return queue->bytes + (size_t)(which % QUEUE) * LARGEST;
}

static void *carry(void *argument) {
    long from = (long)argument;
    struct packets *queue = calloc(1, sizeof *queue);
    queue->bytes = malloc((size_t)QUEUE * LARGEST);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    for (;;) {
        struct pollfd waiting[2] = {{devices[from], POLLIN, 0}, {timer, POLLIN, 0}};
        if (queue->head - queue->tail >= QUEUE) waiting[0].fd = -1;
        if (queue->head != queue->tail) {
            long due = queue->due[queue->tail % QUEUE];
            struct itimerspec when = {{0, 0}, {due / SECOND, due % SECOND}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
        }
        poll(waiting, 2, -1);
        uint64_t expired;
        if (waiting[1].revents && read(timer, &expired, sizeof expired) < 0) continue;
        for (int i = 0; i < AT_ONCE && queue->head - queue->tail < QUEUE; i++) {
            int len = read(devices[from], slot(queue, queue->head), LARGEST);
            if (len <= 0) break;
            queue->len[queue->head % QUEUE] = len;
            queue->due[queue->head++ % QUEUE] = now() + delay;
        }
        while (queue->tail != queue->head && queue->due[queue->tail % QUEUE] <= now()) {
            // What the other side has no room for is lost, as on any link.
            ssize_t sent = write(devices[1 - from], slot(queue, queue->tail), queue->len[queue->tail % QUEUE]);
            (void)sent;
            queue->tail++;
        }
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 4) return 2;
    delay = atol(words[3]) * 1000;
    devices[0] = device_in(words[1]);
    devices[1] = device_in(words[2]);
    puts("ready");
    fflush(stdout);
    pthread_t threads[2];
    for (long i = 0; i < 2; i++) pthread_create(&threads[i], NULL, carry, (void *)i);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return 0;
}
