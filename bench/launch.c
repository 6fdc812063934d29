// Runs a command and tells what it took: seconds of wall, user and system time, KiB of memory at its
// peak (of the largest process), exit code.
//
// launch SECONDS COMMAND...    the figures are the last line of standard output
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static void too_late(int signal) {
    (void)signal;
    kill(-child, SIGKILL);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static double seconds(struct timeval time) { return time.tv_sec + time.tv_usec * 1e-6; }

int main(int count, char **words) {
    if (count < 3) return 2;
    double begun = now();
    child = fork();
    if (child == 0) {
        setpgid(0, 0);
        execvp(words[2], words + 2);
        perror(words[2]);
        _exit(127);
    }
    signal(SIGALRM, too_late);
    alarm(atoi(words[1]));
    int status;
    struct rusage of_child;
    while (wait4(child, &status, 0, &of_child) < 0) continue;
    double took = now() - begun;
    // With what the command itself has started and waited for.
    struct rusage all;
    getrusage(RUSAGE_CHILDREN, &all);
    printf("%.6f %.6f %.6f %ld %d\n", took, seconds(all.ru_utime), seconds(all.ru_stime), all.ru_maxrss,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
